import type { Socket } from 'node:net';

/**
 * Makes a connection that is given up in the middle of a call end by a reset. Closed in order, its end would stand behind
 * what is unsent of the call's body, and a runner that does not read that body would not hear that nobody waits any more.
 */
export function resetOnAbort(socket: Socket): void {
  // A reset is TCP's: TLS has one more layer to close.
  if ('encrypted' in socket) return;
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: Error): Socket => {
    // What resetAndDestroy sets: that one takes no error, and undici tells its callers by the error what happened.
    if (error !== undefined && !socket.destroyed) Object.assign(socket, { resetAndClosing: true });
    return destroy(error);
  };
}
