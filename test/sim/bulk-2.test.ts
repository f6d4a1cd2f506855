import { runSeeds } from './support/suite.ts'

runSeeds('bulk', { index: 1, of: 2 })
