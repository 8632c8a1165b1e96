import { LRUCache } from 'lru-cache';
import type { ListLimits, ListNumbering } from '../backend.ts';
import {
  CLAIM_AT,
  FRESH_UNTIL_AT,
  HEADER_BYTES,
  LOAD_MS_AT,
  NONCE_AT,
  REV_AT,
  STAMP_AT,
  TOKEN_LENGTH,
  WRITTEN_AT,
  encodeClaim,
} from '../entry.ts';
import { systemClock, type Clock } from '../../core/clock.ts';
import { MemoryBus } from './memory-bus.ts';

/** Bytes of all lists together, and of one of them: what a real server bounds by its memory. */
const MAX_LIST_BYTES = 64 * 1_048_576;
const MAX_BYTES_A_LIST = 16 * 1_048_576;
const FENCE_TTL_MS = 30 * 24 * 3_600_000;

type Stored = { bytes: Buffer; expiresAtMs: number };
type StoredList = { items: string[]; bytes: number; last: number; expiresAtMs: number };

/**
 * A cache server inside the process: what `memory://` uses. Pass one object to several caches of one process and
 * they share it, bus included, as services share a real server. Entries are bounded; the least used fall out.
 */
export class MemoryServer {
  readonly incarnation: string;
  readonly bus: MemoryBus;
  readonly #clock: Clock;
  readonly #entries: LRUCache<string, Stored>;
  readonly #lists = new LRUCache<string, StoredList>({
    maxSize: MAX_LIST_BYTES,
    sizeCalculation: (list, name) => list.bytes + name.length + 64,
  });
  /** The highest number that any list numbered by time has had. */
  #highestByTime = 0;

  constructor(options: { clock: Clock; maxBytes: number; incarnation: string }) {
    this.#clock = options.clock;
    this.incarnation = options.incarnation;
    this.bus = new MemoryBus();
    this.#entries = new LRUCache({
      maxSize: options.maxBytes,
      maxEntrySize: options.maxBytes,
      sizeCalculation: (stored, name) => stored.bytes.length + name.length + 64,
    });
  }

  get(name: string): Buffer | undefined {
    const stored = this.#entries.get(name);
    if (stored === undefined) return undefined;
    if (stored.expiresAtMs > this.#clock.monotonicMs()) return stored.bytes;
    this.#entries.delete(name);
    return undefined;
  }

  ttlMs(name: string): number | undefined {
    if (this.get(name) === undefined) return undefined;
    return (this.#entries.peek(name)?.expiresAtMs ?? 0) - this.#clock.monotonicMs();
  }

  set(name: string, bytes: Buffer, ttlMs: number): void {
    this.#entries.set(name, { bytes, expiresAtMs: this.#clock.monotonicMs() + ttlMs });
  }

  delete(name: string): boolean {
    const wasThere = this.get(name) !== undefined || this.#liveList(name) !== undefined;
    this.#entries.delete(name);
    this.#lists.delete(name);
    return wasThere;
  }

  write(name: string, entry: Buffer, ttlMs: number): 'stored' | 'older-revision' {
    const current = this.get(name);
    if (current !== undefined && revOf(current) > revOf(entry)) return 'older-revision';
    this.set(name, entry, ttlMs);
    return 'stored';
  }

  fill(
    name: string,
    entry: Buffer,
    options: { ttlMs: number; token: string },
  ): 'stored' | 'older-revision' | 'purged-meanwhile' {
    const current = this.get(name);
    if (current === undefined || tokenOf(current) !== options.token) return 'purged-meanwhile';
    const isNegative = entry.toString('latin1', 2, 3) === 'n';
    const isBehind = revOf(current) > revOf(entry);
    return this.write(name, isNegative && isBehind ? withRev(entry, revOf(current)) : entry, options.ttlMs);
  }

  claim(name: string, marker: Buffer, claim: { token: string; nowMs: number; untilMs: number }): boolean {
    const current = this.get(name);
    if (current === undefined) {
      this.set(name, marker, claim.untilMs - claim.nowMs);
      return true;
    }
    if (claimedUntilMs(current) > claim.nowMs) return false;
    this.#replaceClaim(name, current, encodeClaim(claim));
    return true;
  }

  unclaim(name: string, token: string): void {
    const current = this.get(name);
    if (current === undefined || tokenOf(current) !== token) return;
    if (current.toString('latin1', 2, 3) === 'c') this.#entries.delete(name);
    else this.#replaceClaim(name, current, encodeClaim(undefined));
  }

  purge(
    name: string,
    tombstone: Buffer,
    { ttlMs, keepRev, graceMs }: { ttlMs: number; keepRev: number; graceMs: number },
  ): void {
    const current = this.get(name);
    if (current === undefined) return this.set(name, tombstone, ttlMs);
    const kind = current.toString('latin1', 2, 3);
    const currentRev = revOf(current);
    if ((kind === 'v' || kind === 'n') && keepRev > 0 && Number(currentRev) >= keepRev) return;
    const grave = currentRev > revOf(tombstone) ? withRev(tombstone, currentRev) : tombstone;
    const isValue = kind === 'v' || kind === 's';
    if (!isValue || graceMs === 0) return this.set(name, grave, ttlMs);
    this.set(name, softPurged(current, grave), Math.min(graceMs, this.ttlMs(name) ?? 0));
  }

  replace(name: string, entry: Buffer, options: { ttlMs: number; stamp: string }): boolean {
    const current = this.get(name);
    if (current === undefined || stampOf(current) !== options.stamp) return false;
    this.set(name, entry, options.ttlMs);
    return true;
  }

  *names(): Iterable<string> {
    const nowMs = this.#clock.monotonicMs();
    // Without `get`, which would move every entry to the front while the walk is under way.
    for (const [name, stored] of this.#entries.entries()) if (stored.expiresAtMs > nowMs) yield name;
    for (const [name, list] of this.#lists.entries()) if (list.expiresAtMs > nowMs) yield name;
  }

  appendList(name: string, items: readonly string[], options: ListLimits): void {
    const before = this.#liveList(name);
    // Another object: the room that a list takes is measured when it is put there.
    const list = {
      items: [...(before?.items ?? [])],
      bytes: before?.bytes ?? 0,
      last: before?.last ?? this.#numberBefore(options.numbering),
      expiresAtMs: this.#clock.monotonicMs() + options.ttlMs,
    };
    for (const item of items) {
      const numbered = `${(list.last += 1)}|${item}`;
      list.items.push(numbered);
      list.bytes += sizeOf(numbered);
    }
    dropOldest(list, options.maxItems);
    this.#lists.set(name, list);
    if (options.numbering.kind === 'by-time') {
      this.#highestByTime = Math.max(this.#highestByTime, list.last);
    }
  }

  readListAfter(name: string, after: number, count: number): { last: number; items: string[] } {
    const list = this.#liveList(name);
    if (list === undefined) return { last: 0, items: [] };
    const first = list.last - list.items.length + 1;
    const start = Math.max(0, (after > list.last ? 0 : after) - first + 1);
    return { last: list.last, items: list.items.slice(start, start + count) };
  }

  acquireLock(name: string, owner: string, options: { ttlMs: number; nowMs: number }): number | undefined {
    if (this.get(name) !== undefined) return undefined;
    const before = Number(this.get(`${name}:fence`)?.toString() ?? 0);
    const fence = Math.max(before + 1, options.nowMs);
    this.set(`${name}:fence`, Buffer.from(String(fence)), FENCE_TTL_MS);
    this.set(name, Buffer.from(owner), options.ttlMs);
    return fence;
  }

  renewLock(name: string, owner: string, ttlMs: number): boolean {
    const current = this.get(name);
    if (current?.toString() !== owner) return false;
    this.set(name, current, ttlMs);
    return true;
  }

  releaseLock(name: string, owner: string): boolean {
    return this.get(name)?.toString() === owner && this.#entries.delete(name);
  }

  #replaceClaim(name: string, current: Buffer, claim: string): void {
    const bytes = Buffer.from(current);
    bytes.write(claim, CLAIM_AT, 'latin1');
    this.set(name, bytes, this.ttlMs(name) ?? 0);
  }

  #numberBefore(numbering: ListNumbering): number {
    return numbering.kind === 'by-time' ? Math.max(numbering.nowMs * 1000, this.#highestByTime) : 0;
  }

  #liveList(name: string): StoredList | undefined {
    const list = this.#lists.get(name);
    if (list === undefined || list.expiresAtMs > this.#clock.monotonicMs()) return list;
    this.#lists.delete(name);
    return undefined;
  }
}

/** A cache server for one process; see MemoryServer. */
export function createMemoryServer(options: { clock?: Clock; maxBytes?: number } = {}): MemoryServer {
  const incarnation = crypto.randomUUID().slice(0, 8);
  return new MemoryServer({
    clock: options.clock ?? systemClock,
    maxBytes: options.maxBytes ?? 256 * 1_048_576,
    incarnation,
  });
}

// A string of JavaScript takes up to two bytes a character.
const sizeOf = (item: string): number => item.length * 2 + 16;

function dropOldest(list: StoredList, maxItems: number): void {
  let dropped = 0;
  while (list.items.length - dropped > maxItems || list.bytes > MAX_BYTES_A_LIST) {
    list.bytes -= sizeOf(list.items[dropped] ?? '');
    dropped += 1;
  }
  list.items.splice(0, dropped);
}

const revOf = (bytes: Buffer): string => bytes.toString('latin1', REV_AT, CLAIM_AT);

function withRev(entry: Buffer, rev: string): Buffer {
  const copy = Buffer.from(entry);
  copy.write(rev, REV_AT, 'latin1');
  return copy;
}

/** The value, stale from the purge on. */
function softPurged(value: Buffer, grave: Buffer): Buffer {
  const copy = Buffer.from(value);
  copy.write('s', 2, 'latin1');
  grave.copy(copy, REV_AT, REV_AT, CLAIM_AT + 22);
  const purgedAt = grave.toString('latin1', WRITTEN_AT, FRESH_UNTIL_AT);
  if (purgedAt < value.toString('latin1', FRESH_UNTIL_AT, LOAD_MS_AT)) {
    copy.write(purgedAt, FRESH_UNTIL_AT, 'latin1');
  }
  grave.copy(copy, NONCE_AT, NONCE_AT, HEADER_BYTES);
  return copy;
}

const stampOf = (bytes: Buffer): string => bytes.toString('latin1', STAMP_AT, HEADER_BYTES);
const tokenOf = (bytes: Buffer): string => bytes.toString('latin1', CLAIM_AT, CLAIM_AT + TOKEN_LENGTH);
const claimedUntilMs = (bytes: Buffer): number =>
  bytes.length < HEADER_BYTES ? 0 : Number(bytes.toString('latin1', CLAIM_AT + TOKEN_LENGTH, CLAIM_AT + 22));
