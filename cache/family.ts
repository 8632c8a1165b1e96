import type { z } from 'zod';

/**
 * What a process may keep of a family in its own memory. `none`: nothing. `immutable`: as long as there is room,
 * since the value never changes. `coherent`: only under a lease, confirmed every `L1_TTL` (see lease.ts).
 */
export type NearPolicy = 'none' | 'immutable' | 'coherent';

/** One row of the catalogue: everything that is true of all keys of one kind. */
export type KeyFamily<Value> = {
  /** Name of the family: a metric label. */
  name: string;
  /** Raised when the value's shape changes: entries of another version are misses. */
  schemaVersion: number;
  /** `binary` values are Buffers, stored as they are. */
  encoding: 'json' | 'binary';
  /** Reads a stored value; undefined when it does not parse, which is a miss. */
  parse(input: unknown): Value | undefined;
  /** Revision of a value that is compared on write; absent for families without revisions. */
  revOf?(value: Value): number | undefined;
  /** Freshness in milliseconds; undefined: never ends; `default`: CACHE_TTL_DEFAULT. */
  freshMs: number | 'default' | undefined;
  /** How long past its freshness a value may still be served while its source fails or is being asked. */
  graceMs: number;
  /** How long "there is no such thing" is remembered; 0: not at all. Spread by half in either direction. */
  negativeMs: number;
  /** Share by which lifetimes are spread, so that what was written together does not end together. */
  jitter: number;
  /** Largest value stored, before compression. */
  maxBytes: number;
  near: NearPolicy;
  /** Whether an entry that a server restored from a snapshot may be believed: values that never change. */
  isRestorable: boolean;
  /** Whether gateways keep something derived from it, so that its invalidation is announced and awaited. */
  isAnnounced: boolean;
  /** Last known good answers outlive everything else by this long, for when nobody can be asked; 0: not kept. */
  lastKnownGoodMs: number;
  /**
   * Loads a second that one process may start for keys of which it knows nothing, so that a scan of random keys
   * costs the source a bounded number of calls. Undefined: no limit.
   */
  coldLoadsPerSecond?: number | undefined;
};

/** A key of the catalogue: the compiler ties it to the type of its value. */
export type CacheKey<Value> = { family: KeyFamily<Value>; name: string };

/** A key whose value is an append-only list. */
export type ListKey<Item> = {
  family: string;
  name: string;
  parse(input: unknown): Item | undefined;
  /** Oldest items fall out beyond this many. */
  maxItems: number;
  ttlMs: number;
  /**
   * Positions of a list that was lost and begins anew go on past those of the one before, so that who reads on from
   * an old position misses nothing: it begins to count at the server's time, in microseconds. Default false: at 1.
   */
  isNumberedByTime?: boolean | undefined;
};

/** A key under which one owner at a time does something. */
export type LockKey = { family: string; name: string; ttlMs: number };

type FamilyRules<Value> = Pick<KeyFamily<Value>, 'name' | 'freshMs'> & Partial<KeyFamily<Value>>;

const DEFAULTS = {
  schemaVersion: 1,
  encoding: 'json',
  graceMs: 0,
  negativeMs: 0,
  jitter: 0.1,
  maxBytes: 1_048_576,
  near: 'none',
  isRestorable: false,
  isAnnounced: false,
  lastKnownGoodMs: 0,
} as const;

/** A family whose stored form is JSON checked by a schema. */
export function jsonFamily<Value>(schema: z.ZodType<Value>, rules: FamilyRules<Value>): KeyFamily<Value> {
  const isAnnounced = rules.near !== undefined && rules.near !== 'none';
  const isRestorable = rules.near === 'immutable';
  return { ...DEFAULTS, isAnnounced, isRestorable, parse: (input) => schema.safeParse(input).data, ...rules };
}

/** A family of raw bytes. */
export function binaryFamily(rules: FamilyRules<Buffer>): KeyFamily<Buffer> {
  return {
    ...DEFAULTS,
    encoding: 'binary',
    parse: (input) => (Buffer.isBuffer(input) ? input : undefined),
    ...rules,
  };
}
