import { runSeeds } from './support/suite.ts'

runSeeds('bulk', { index: 0, of: 2 })
