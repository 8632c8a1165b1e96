import type { Backend, BusBackend } from '../backend.ts';
import { claimMarker } from '../claim-marker.ts';
import { HEADER_BYTES } from '../entry.ts';
import type { MemoryServer } from './memory-server.ts';

const SCAN_PAGE = 500;

/** The backend contract over a server inside the process: always up, answers at once. */
export function memoryBackend(server: MemoryServer): Backend {
  const { bus, unsubscribe } = memoryBusBackend(server);
  return {
    kind: 'memory',
    connect: () => Promise.resolve(),
    close: async () => unsubscribe(),
    isUp: () => true,
    onState: () => undefined,
    incarnation: () => server.incarnation,
    read: async (names) => names.map((name) => server.get(name)),
    readHeads: async (names) => names.map((name) => server.get(name)?.subarray(0, HEADER_BYTES)),
    write: async (name, entry, { ttlMs, isCompared }) => {
      if (isCompared) return server.write(name, entry, ttlMs);
      server.set(name, entry, ttlMs);
      return 'stored';
    },
    fill: async (name, entry, options) => server.fill(name, entry, options),
    claim: async (name, claim) =>
      server.claim(name, claimMarker(claim, server.incarnation), claim) ? 'claimed' : 'taken',
    unclaim: async (name, token) => server.unclaim(name, token),
    purge: async (name, tombstone, options) => server.purge(name, tombstone, options),
    replace: async (name, entry, options) => server.replace(name, entry, options),
    supersede: async (first, second, ttlMs) => {
      server.set(first.name, first.entry, ttlMs);
      const wasThere = server.get(second.name) !== undefined;
      if (wasThere) server.set(second.name, second.entry, ttlMs);
      return wasThere;
    },
    ensure: async (name, entry, ttlMs) => {
      const current = server.get(name);
      if (current !== undefined) return current;
      server.set(name, entry, ttlMs);
      return entry;
    },
    remove: async (names) => names.filter((name) => server.delete(name)).length,
    ttlMs: async (name) => server.ttlMs(name),
    scan: async (cursor, pattern) => scanPage(server, Number(cursor), pattern),
    list: {
      append: async (name, items, options) => server.appendList(name, items, options),
      readAfter: async (name, after, { count }) => server.readListAfter(name, after, count),
    },
    lock: {
      acquire: async (name, owner, options) => server.acquireLock(name, owner, options),
      renew: async (name, owner, ttlMs) => server.renewLock(name, owner, ttlMs),
      release: async (name, owner) => server.releaseLock(name, owner),
    },
    bus,
    info: async () => new Map(),
  };
}

function memoryBusBackend(server: MemoryServer): { bus: BusBackend; unsubscribe: () => void } {
  const unsubscribers: (() => void)[] = [];
  const bus: BusBackend = {
    subscribe: (channels, listener) => {
      unsubscribers.push(server.bus.subscribe(channels, listener));
    },
    resubscribe: () => undefined,
    renew: async (member, seed) => server.bus.renew(member, seed),
    ack: async (member, epoch) => server.bus.ack(member, epoch),
    leave: async (instance) => server.bus.leave(instance),
    publish: async (payload, seed) => server.bus.publish(payload, seed),
    registry: async () => server.bus.read(),
    forget: async (member) => server.bus.forget(member),
  };
  return {
    bus,
    unsubscribe: () => {
      for (const unsubscribe of unsubscribers) unsubscribe();
    },
  };
}

function scanPage(
  server: MemoryServer,
  offset: number,
  pattern: string,
): { cursor: string; names: string[] } {
  const matches = globToRegExp(pattern);
  const all = [...server.names()];
  const names = all.slice(offset, offset + SCAN_PAGE).filter((name) => matches.test(name));
  const next = offset + SCAN_PAGE;
  return { cursor: next < all.length ? String(next) : '0', names };
}

/** The glob of SCAN, as far as the cache uses it: `*` and literal text. */
function globToRegExp(pattern: string): RegExp {
  const literal = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${literal.join('.*')}$`, 's');
}
