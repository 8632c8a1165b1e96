import { Redis } from 'ioredis';

type Socket = Redis['stream'];

const sockets = new WeakMap<Redis, Socket>();

/**
 * The library listens for one error of a socket. An encrypted one can have two: that we refuse its certificate, and the
 * server's alert about that, which comes later where the process is busy. An error that nobody listens for would end the
 * process, so every socket that a client gets has a listener more. Set on the prototype, since a cluster's clients are
 * made inside the library.
 */
export function hearEveryError(): void {
  if (Object.hasOwn(Redis.prototype, 'stream')) return;
  Object.defineProperty(Redis.prototype, 'stream', {
    configurable: true,
    get(this: Redis): Socket | undefined {
      return sockets.get(this);
    },
    set(this: Redis, socket: Socket) {
      // What it means is told by the first one.
      socket.on('error', () => undefined);
      sockets.set(this, socket);
    },
  });
}
