/** The door to Node's side of the platform. */
export { FolderLockedError } from './folder-lock.ts'
export { NodeFolder } from './node-folder.ts'
export { NodePlatform, type NodePlatformOptions } from './node-platform.ts'
export { NodeWebSocket, type NodeWebSocketOptions, webSocketAccept } from './node-websocket.ts'
export { WebSocketMemory } from './websocket-memory.ts'
