/** The door to the browser's side of the platform. */
export { BrowserPlatform } from './browser-platform.ts'
