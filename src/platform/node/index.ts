/** The door to Node's side of the platform. */
export { NodePlatform } from './node-platform.ts'
