/** The public face in a browser: the same names over Web APIs and crypto in JavaScript. Re-exports only. */
export { type BrowserEndpointOptions as EndpointOptions, Endpoint } from './endpoint/browser.ts'
export { type BrowserTomNodeOptions as TomNodeOptions, TomNode } from './envelope/browser.ts'
export * from './index.shared.ts'
