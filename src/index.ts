/** The public face on Node: dial a public key, over UDP, with node:crypto. Re-exports only. */
export { Endpoint, type NodeEndpointOptions as EndpointOptions } from './endpoint/node.ts'
export { type NodeTomNodeOptions as TomNodeOptions, TomNode } from './envelope/node.ts'
export * from './index.shared.ts'
