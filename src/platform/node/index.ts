/** The door to Node's side of the platform. */
export { NodePlatform, type NodePlatformOptions } from './node-platform.ts'
export { NodeWebSocket, type NodeWebSocketOptions, webSocketAccept } from './node-websocket.ts'
export { WebSocketMemory } from './websocket-memory.ts'
