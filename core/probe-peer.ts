import type { Socket } from 'node:net';

const PROBE_MS = 50;
const NOTHING = Buffer.alloc(0);

/**
 * Looks again and again whether the peer of a socket that nobody reads is still there; the answer stops it. The system
 * reports a reset only to who reads or writes: writing no bytes puts nothing on the wire, and fails once the connection has
 * been reset. The failure ends the socket as any other does.
 */
export function probePeer(socket: Socket): () => void {
  const timer = setInterval(() => {
    // What is still to be written is a probe itself, and is not to keep the idle timer from running out.
    if (socket.writable && socket.writableLength === 0) socket.write(NOTHING);
  }, PROBE_MS).unref();
  return () => clearInterval(timer);
}
