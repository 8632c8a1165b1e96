import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../core/errors.ts';
import type { Backend, ListBackend, ListNumbering, LockBackend } from '../backend.ts';
import { claimMarker } from '../claim-marker.ts';
import { encodeClaim, HEADER_BYTES } from '../entry.ts';
import { hashSlot } from './hash-slot.ts';
import { keyNames, type KeyNames } from './key-names.ts';
import { askInfo, parseInfo } from './server-fields.ts';
import { ReadBatch } from './read-batch.ts';
import { RedisBus } from './redis-bus.ts';
import * as scripts from './scripts.ts';
import { ServerLink, type LinkOptions } from './server-link.ts';

const FENCE_TTL_MS = 30 * 24 * 3_600_000;
/** A timer may fire so much early. */
const TIMER_SLACK_MS = 1;
const CLAIM_REPLIES = { '0': 'taken', '1': 'claimed', '2': 'replaced' } as const;
const FILL_REPLIES = { '1': 'stored', '0': 'older-revision', '-1': 'purged-meanwhile' } as const;

/** The backend contract over Redis' protocol: Dragonfly, Valkey, Redis; single, cluster or behind Sentinel. */
export function redisBackend(options: LinkOptions): Backend {
  const link = new ServerLink(options);
  const isCluster = options.target.topology === 'cluster';
  const names = keyNames(options.config.keyPrefix, isCluster);
  const bus = new RedisBus({ ...options, link, names, isCluster });
  return {
    kind: 'server',
    connect: () => link.connect(),
    close: async () => {
      bus.close();
      link.close();
    },
    isUp: () => link.isUp,
    onState: (listener) => link.onState(listener),
    incarnation: (name) => link.incarnation(names.physical(name)),
    ...entryCommands(link, names, isCluster),
    list: listCommands(link, names),
    lock: lockCommands(link, names),
    bus,
    info: async () => parseInfo(await link.runRepeatable('info', '', askInfo)),
  };
}

type EntryCommands = Omit<
  Backend,
  'kind' | 'connect' | 'close' | 'isUp' | 'onState' | 'incarnation' | 'list' | 'lock' | 'bus' | 'info'
>;

function entryCommands(link: ServerLink, names: KeyNames, isCluster: boolean): EntryCommands {
  const { physical } = names;
  const batch = new ReadBatch((wanted) => readMany(link, wanted));
  const readBatched = (name: string): Promise<Buffer | undefined> => batch.read(physical(name));
  const readHead = async (name: string): Promise<Buffer | undefined> => {
    const head = await link.runRepeatable('getrange', physical(name), (client) =>
      client.getrangeBuffer(physical(name), 0, HEADER_BYTES - 1).catch(noneOfOurs),
    );
    return head?.length === 0 ? undefined : head;
  };
  return {
    read: isCluster
      ? (wanted) => readBySlot(link, wanted.map(physical))
      : (wanted) => Promise.all(wanted.map(readBatched)),
    readHeads: (wanted) => Promise.all(wanted.map(readHead)),
    ...compareCommands(link, names),
    supersede: async (first, second, ttlMs) =>
      (await link.run('supersede', physical(first.name), (client) =>
        scripts.runScript(
          client,
          scripts.SUPERSEDE,
          [physical(first.name), physical(second.name)],
          [first.entry, second.entry, Math.ceil(ttlMs)],
        ),
      )) === 1,
    ensure: async (name, entry, ttlMs) =>
      link.run('ensure', physical(name), async (client) => {
        const args = [1, physical(name), entry, Math.ceil(ttlMs)];
        return (await client.callBuffer('EVAL', [scripts.ENSURE.lua, ...args])) as Buffer;
      }),
    remove: async (wanted) => {
      const counts = isCluster
        ? wanted.map((name) => link.run('del', physical(name), (client) => client.del(physical(name))))
        : [link.run('del', '', (client) => client.del(...wanted.map(physical)))];
      return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
    },
    ttlMs: async (name) => {
      const leftMs = await link.runRepeatable('pttl', physical(name), (client) =>
        client.pttl(physical(name)),
      );
      return leftMs === -2 ? undefined : leftMs === -1 ? Number.POSITIVE_INFINITY : leftMs;
    },
    scan: (cursor, glob, count) => scanPage({ link, names }, cursor, glob, count),
  };
}

function compareCommands(
  link: ServerLink,
  { physical }: KeyNames,
): Pick<Backend, 'write' | 'fill' | 'claim' | 'unclaim' | 'purge' | 'replace'> {
  const run = (script: scripts.Script, name: string, args: (string | number | Buffer)[]): Promise<unknown> =>
    link.run(script.name, physical(name), (client) =>
      scripts.runScript(client, script, [physical(name)], args),
    );
  return {
    write: async (name, entry, { ttlMs, isCompared }) => {
      if (isCompared) {
        return (await run(scripts.WRITE, name, [entry, Math.ceil(ttlMs)])) === 1
          ? 'stored'
          : 'older-revision';
      }
      await link.run('set', physical(name), (client) =>
        client.set(physical(name), entry, 'PX', Math.ceil(ttlMs)),
      );
      return 'stored';
    },
    fill: async (name, entry, { ttlMs, token }) => {
      const reply = String(await run(scripts.FILL, name, [entry, Math.ceil(ttlMs), token]));
      return FILL_REPLIES[reply as keyof typeof FILL_REPLIES];
    },
    claim: async (name, claim) => {
      const marker = claimMarker(claim, link.incarnation(physical(name)));
      const ttlMs = Math.max(1, claim.untilMs - claim.nowMs);
      if (claim.isVacant) {
        const reply = await link.run('set', physical(name), (client) =>
          client.set(physical(name), marker, 'PX', ttlMs, 'NX'),
        );
        if (reply === 'OK') return 'claimed';
        // Taken, or what stands there is of another type, which a read does not tell from nothing.
      }
      const nowText = String(claim.nowMs).padStart(13, '0');
      const args = [marker, encodeClaim(claim), nowText, ttlMs, claim.isVacant ? '1' : '0'];
      return CLAIM_REPLIES[String(await run(scripts.CLAIM, name, args)) as keyof typeof CLAIM_REPLIES];
    },
    unclaim: async (name, token) => {
      await run(scripts.UNCLAIM, name, [token]);
    },
    purge: async (name, tombstone, { ttlMs, keepRev, graceMs }) => {
      const keepText = String(keepRev).padStart(16, '0');
      await run(scripts.PURGE, name, [tombstone, Math.ceil(ttlMs), keepText, Math.ceil(graceMs)]);
    },
    replace: async (name, entry, { ttlMs, stamp }) =>
      (await run(scripts.REPLACE, name, [entry, Math.ceil(ttlMs), stamp])) === 1,
  };
}

/** A key of another type holds no entry. */
function noneOfOurs(error: unknown): undefined {
  if (!messageOf(error).startsWith('WRONGTYPE')) throw error;
  return undefined;
}

async function readMany(link: ServerLink, physicalNames: string[]): Promise<(Buffer | undefined)[]> {
  const replies = await link.runRepeatable('mget', physicalNames[0] ?? '', (client) =>
    client.mgetBuffer(physicalNames),
  );
  return replies.map((reply) => reply ?? undefined);
}

/** The keys of a cluster's MGET must share a slot; those that do are read at one moment there too. */
async function readBySlot(link: ServerLink, physicalNames: string[]): Promise<(Buffer | undefined)[]> {
  const slots = Map.groupBy(physicalNames, hashSlot);
  const read = await Promise.all(
    [...slots.values()].map(async (names) => {
      const values = await readMany(link, names);
      return names.map((name, index): [string, Buffer | undefined] => [name, values[index]]);
    }),
  );
  const found = new Map(read.flat());
  return physicalNames.map((name) => found.get(name));
}

async function scanPage(
  { link, names }: { link: ServerLink; names: KeyNames },
  cursor: string,
  glob: string,
  count: number,
): Promise<{ cursor: string; names: string[] }> {
  const [nodeIndex, position] = cursor.includes('@') ? splitCursor(cursor) : [0, cursor];
  return link.run('scan', '', async (client) => {
    const nodes = 'nodes' in client ? client.nodes('master') : [client];
    const node = nodes[nodeIndex];
    if (node === undefined) return { cursor: '0', names: [] };
    const [next, found] = await node.scan(position, 'MATCH', names.pattern(glob), 'COUNT', count);
    const nextCursor = next !== '0' ? `${nodeIndex}@${next}` : `${nodeIndex + 1}@0`;
    const isLast = next === '0' && nodeIndex + 1 >= nodes.length;
    return {
      cursor: isLast ? '0' : nextCursor,
      names: found.flatMap((physicalName) => names.logical(physicalName) ?? []),
    };
  });
}

// The server's cursor is a 64-bit number: it stays text.
function splitCursor(cursor: string): [number, string] {
  const at = cursor.indexOf('@');
  return [Number(cursor.slice(0, at)), cursor.slice(at + 1)];
}

function listCommands(link: ServerLink, { physical }: KeyNames): ListBackend {
  return {
    append: async (name, items, { maxItems, ttlMs, numbering }) => {
      const args = [maxItems, Math.ceil(ttlMs), nowUsOf(numbering), ...items];
      const shownInUs = await link.run('append', physical(name), (client) =>
        scripts.runScript(client, scripts.APPEND, [physical(name)], args),
      );
      if (Number(shownInUs) > 0) await sleep(Number(shownInUs) / 1000 + TIMER_SLACK_MS);
    },
    readAfter: async (name, after, { count, numbering }) => {
      const args = [after, count, nowUsOf(numbering)];
      const reply = await link.runRepeatable('read-after', physical(name), (client) =>
        scripts.runScript(client, scripts.READ_AFTER, [physical(name)], args),
      );
      const [last, items] = reply as [number, string[]];
      return { last, items };
    },
  };
}

/** 0: the list is not numbered by time. */
function nowUsOf(numbering: ListNumbering): number {
  return numbering.kind === 'by-time' ? numbering.nowMs * 1000 : 0;
}

function lockCommands(link: ServerLink, { physical }: KeyNames): LockBackend {
  return {
    acquire: async (name, owner, { ttlMs, nowMs }) => {
      const lockKeys = [physical(name), physical(`${name}:fence`)];
      const reply = await link.run('lock', physical(name), (client) =>
        scripts.runScript(client, scripts.LOCK, lockKeys, [owner, ttlMs, nowMs, FENCE_TTL_MS]),
      );
      return reply === null ? undefined : Number(reply);
    },
    renew: async (name, owner, ttlMs) =>
      (await link.run('renew-lock', physical(name), (client) =>
        scripts.runScript(client, scripts.RENEW_LOCK, [physical(name)], [owner, ttlMs]),
      )) === 1,
    release: async (name, owner) =>
      (await link.run('release-lock', physical(name), (client) =>
        scripts.runScript(client, scripts.RELEASE_LOCK, [physical(name)], [owner]),
      )) === 1,
  };
}
