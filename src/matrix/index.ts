export { BridgeHomeserver, buildRegistration, resolveServer } from './bridge.ts';
export { connectMatrix, type MatrixConnection } from './connection.ts';
export { createRoomEvents } from './events.ts';
export { HomeserverError, HomeserverUnreachable, path as homeserverPath, type Homeserver } from './homeserver.ts';
export { ownNames, type OwnNames } from './identity.ts';
export { appserviceRouter } from './receiver.ts';
export { OwnRooms } from './rooms.ts';
export { RoomFacts } from './room-facts.ts';
export { createSharedRooms } from './shared-rooms.ts';
