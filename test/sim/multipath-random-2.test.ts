import { runInteractions } from './support/suite.ts'

runInteractions({ index: 1, of: 2 })
