import { runInteractions } from './support/suite.ts'

runInteractions({ index: 0, of: 2 })
