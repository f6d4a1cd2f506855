import { runSeeds } from './support/suite.ts'

runSeeds('small', { index: 1, of: 2 })
