import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { clientNetwork } from './client-network.ts';
import { Connection } from './connection.ts';

export type ConnectionsOptions = {
  /** Most connections from one client at once: an IPv4 address, or an IPv6 network of 64 bits. */
  maxPerClient: number;
  /** Addresses that stand for many clients (a load balancer), and are not limited. */
  isShared: (address: string) => boolean;
  /** Tells a connection that there are too many of its client, and ends it. */
  refuse: (socket: Socket) => void;
};

/** Every open connection of a server. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #open = new Map<Duplex, Connection>();
  readonly #perClient = new Map<string, number>();
  #isDraining = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Takes a connection that has just been made. */
  add(socket: Socket): void {
    const connection = new Connection(socket);
    const address = socket.remoteAddress ?? '';
    const client = clientNetwork(address);
    const count = this.#count(client, 1);
    this.#open.set(socket, connection);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#count(client, -1);
    });
    if (this.#isDraining) connection.closeWhenDone();
    else if (count > this.#options.maxPerClient && !this.#options.isShared(address)) {
      connection.isRefused = true;
      this.#options.refuse(socket);
    }
  }

  of(socket: Duplex): Connection | undefined {
    return this.#open.get(socket);
  }

  get size(): number {
    return this.#open.size;
  }

  /** From now on every answer is the last of its connection; idle ones close at once. */
  drain(): void {
    this.#isDraining = true;
    for (const connection of this.#open.values()) connection.closeWhenDone();
  }

  /** Ends those on which something else than a request has been coming for too long. */
  destroyOverdue(nowMs: number, limitMs: number): void {
    for (const [socket, connection] of this.#open) {
      if (!connection.isRefused && connection.isOverdue(nowMs, limitMs)) socket.destroy();
    }
  }

  /** Ends those on which no request has come to run. */
  destroyWaiting(): void {
    for (const [socket, connection] of this.#open) if (!connection.isRunning) socket.destroy();
  }

  destroyAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #count(client: string, change: 1 | -1): number {
    const count = (this.#perClient.get(client) ?? 0) + change;
    if (count <= 0) this.#perClient.delete(client);
    else this.#perClient.set(client, count);
    return count;
  }
}
