/**
 * What the cache needs from a server, and no more. Implemented over Redis' protocol and in memory; one suite runs
 * on both. Names are logical (`domain:example.com`): prefix and hash tags are the implementation's affair. A method
 * rejects with EdgeError CACHE_FAILED when the server could not be used; it never takes longer than the deadline.
 */
export type Backend = {
  kind: 'memory' | 'server';
  connect(): Promise<void>;
  close(): Promise<void>;
  isUp(): boolean;
  /** Called at each change between usable and not. */
  onState(listener: (isUp: boolean) => void): void;
  /**
   * Eight characters that name the server process which holds `name`. An entry stamped with others was restored
   * from a snapshot or comes from a replica: it may be older than what was acknowledged. UNKNOWN_INCARNATION while that
   * is not known.
   */
  incarnation(name: string): string;

  read(names: readonly string[]): Promise<(Buffer | undefined)[]>;
  /** The first HEADER_BYTES of each entry. */
  readHeads(names: readonly string[]): Promise<(Buffer | undefined)[]>;
  /** Stores; with `isCompared`, unless an entry or tombstone of a higher revision stands there. */
  write(
    name: string,
    entry: Buffer,
    options: { ttlMs: number; isCompared: boolean },
  ): Promise<'stored' | 'older-revision'>;
  /** Stores only while the claim `token` still stands: any purge, DEL, flush or eviction took it away. */
  fill(
    name: string,
    entry: Buffer,
    options: { ttlMs: number; token: string },
  ): Promise<'stored' | 'older-revision' | 'purged-meanwhile'>;
  /**
   * Claims the next load of `name`, unless somebody holds a claim that has not run out. `isVacant`: nothing at all stood
   * there a moment ago, so that a claim is refused if an entry does now. `replaced`: claimed, in place of what was no entry.
   */
  claim(
    name: string,
    claim: { token: string; nowMs: number; untilMs: number; isVacant: boolean },
  ): Promise<'claimed' | 'replaced' | 'taken'>;
  /** Gives up a claim after a load that failed, so that the next one need not wait for it to run out. */
  unclaim(name: string, token: string): Promise<void>;
  /**
   * Puts a tombstone in place of the entry; its revision is the higher of its own and the entry's. An entry of at
   * least `keepRev` is newer than the purge and stays. With a `graceMs` above 0 a value is not replaced but marked as softly
   * purged: it takes over the tombstone's nonce and the higher revision, loses its claim, and ends after that grace.
   */
  purge(
    name: string,
    tombstone: Buffer,
    options: { ttlMs: number; keepRev: number; graceMs: number },
  ): Promise<void>;
  /** Stores only while the entry that has this stamp (see entry.ts) is the one that stands there. */
  replace(name: string, entry: Buffer, options: { ttlMs: number; stamp: string }): Promise<boolean>;
  /**
   * Stores `first`, and `second` where something stands under its name, in one step; answers whether something did. Both
   * names share their first two segments. A server out of memory removes what it cannot replace.
   */
  supersede(first: NamedEntry, second: NamedEntry, ttlMs: number): Promise<boolean>;
  /** What is stored under `name`, having stored `entry` there if nothing was. */
  ensure(name: string, entry: Buffer, ttlMs: number): Promise<Buffer>;
  remove(names: readonly string[]): Promise<number>;
  /** Remaining lifetime; undefined when there is no such entry, Infinity when it has no end. */
  ttlMs(name: string): Promise<number | undefined>;
  /** One page of names under the prefix; `cursor` is opaque text, "0" begins and ends. Names may repeat. */
  scan(cursor: string, pattern: string, count: number): Promise<{ cursor: string; names: string[] }>;

  list: ListBackend;
  lock: LockBackend;
  bus: BusBackend;
  /** Fields of the server's INFO; those that a server lacks are missing. */
  info(): Promise<ReadonlyMap<string, string>>;
};

export type NamedEntry = { name: string; entry: Buffer };

export type ListLimits = {
  maxItems: number;
  ttlMs: number;
  numbering: ListNumbering;
};

/**
 * Where a list that is not there yet begins to count: at 1, or above every number that a reader may have of one that
 * was there before it. `nowMs` is the caller's clock, for a server that does not tell the time.
 */
export type ListNumbering = { kind: 'from-one' } | { kind: 'by-time'; nowMs: number };

/** Items carry a sequence number, which grows by one from item to item. */
export type ListBackend = {
  /** Resolves when who reads sees the items. */
  append(name: string, items: readonly string[], options: ListLimits): Promise<void>;
  /** Items after `after`, oldest first, each as `sequence|text`, and the sequence number of the newest. */
  readAfter(
    name: string,
    after: number,
    options: { count: number; numbering: ListNumbering },
  ): Promise<{ last: number; items: string[] }>;
};

export type LockBackend = {
  /** A fencing number higher than any before it, or undefined while somebody else holds the lock. */
  acquire(
    name: string,
    owner: string,
    options: { ttlMs: number; nowMs: number },
  ): Promise<number | undefined>;
  renew(name: string, owner: string, ttlMs: number): Promise<boolean>;
  release(name: string, owner: string): Promise<boolean>;
};

/** A gateway's entry in the registry of leases. */
export type Member = {
  instance: string;
  /** Changes with every renewal: whoever watches sees that the lease lives. */
  nonce: string;
  /** The last invalidation that it has applied. */
  acked: number;
  /** The epoch in which `acked` counts; in another one it means nothing. */
  epoch: string;
  leaseMs: number;
};

/** What the registry says: it vanishes as a whole, and a new one has a new epoch. */
export type Registry = {
  epoch: string;
  /** Wall clock of the process that began the epoch. */
  sinceMs: number;
  seq: number;
  members: Member[];
};

export type BusListener = {
  onMessage(channel: BusChannel, text: string): void;
  /** The subscription works from now on; what was published before is not seen. */
  onSubscribed(): void;
  onLost(): void;
};

/** `events`: invalidations and heartbeats, for gateways. `acks`: for who waits for them. */
export type BusChannel = 'events' | 'acks';

export type EpochSeed = { candidate: string; nowMs: number };

export type BusBackend = {
  subscribe(channels: readonly BusChannel[], listener: BusListener): void;
  /** Drops the subscription's connection and makes a new one: for when it has gone silent. */
  resubscribe(): void;
  /**
   * Renews the lease and publishes `h {epoch} {seq} {instance} {nonce} {isNew}`, which proves the subscription; isNew is
   * 1 where the registry did not have the member, else 0.
   */
  renew(member: Member, seed: EpochSeed): Promise<{ epoch: string; seq: number }>;
  /** Records and publishes `a {epoch} {seq} {instance}`; does nothing in another epoch. */
  ack(member: Member, epoch: string): Promise<void>;
  leave(instance: string): Promise<void>;
  /** Publishes `i {epoch} {seq} {payload}` under the next sequence number. */
  publish(payload: string, seed: EpochSeed): Promise<Registry>;
  /** Undefined where there is none, or only one that another server process left. */
  registry(): Promise<Registry | undefined>;
  /** Removes a member whose lease ran out, unless it renewed meanwhile. */
  forget(member: Member): Promise<void>;
};
