import type { Duplex } from 'node:stream';

/** Time for a client that is still sending to take notice of the answer, milliseconds. */
const LINGER_MS = 2000;

/**
 * Ends a connection whose client may still be sending: the write side at once, the rest when the client has closed its
 * side, or after a while. Closing with unread bytes would reset the connection, and the client could lose the answer
 * that is on its way (RFC 9112 section 9.6). Something else must be reading the socket.
 */
export function lingerAndClose(socket: Duplex): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.end();
}

/**
 * Makes Node's server close this connection by lingering, where it would otherwise destroy it as soon as the answer is
 * written. Meanwhile its parser goes on reading and discarding what comes.
 */
export function closeByLingering(socket: { destroySoon(): void } & Duplex): void {
  socket.destroySoon = () => lingerAndClose(socket);
}
