import type { Duplex } from 'node:stream';

/** What a client may say before the function has agreed to the upgrade; honest ones say nothing. */
const MAX_EARLY_BYTES = 64 * 1024;

type Handshake = { early: Buffer[]; stop: () => void };

const handshakes = new WeakMap<Duplex, Handshake>();

/**
 * Reads a socket on which an upgrade is being decided, and keeps what comes: on a socket that nobody reads, a client that
 * leaves goes unnoticed. `onLeft` is called when it does.
 */
export function holdHandshake(socket: Duplex, head: Buffer, onLeft: () => void): void {
  const early: Buffer[] = head.length > 0 ? [head] : [];
  let size = head.length;
  const onData = (chunk: Buffer): void => {
    size += chunk.length;
    if (size <= MAX_EARLY_BYTES) early.push(chunk);
    else onLeft();
  };
  const stop = (): void => void socket.off('data', onData).off('end', onLeft);
  handshakes.set(socket, { early, stop });
  socket.on('data', onData).on('end', onLeft);
}

/** Gives the socket to somebody else, with everything that has come meanwhile still to be read. */
export function releaseHandshake(socket: Duplex): void {
  const handshake = handshakes.get(socket);
  if (handshake === undefined) return;
  handshakes.delete(socket);
  handshake.stop();
  socket.pause();
  if (handshake.early.length > 0) socket.unshift(Buffer.concat(handshake.early));
}
