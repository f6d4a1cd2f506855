import { runSeeds } from './support/suite.ts'

runSeeds('small', { index: 0, of: 2 })
