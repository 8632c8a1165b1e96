import type { Clock } from '../core/clock.ts';
import { EdgeError, toEdgeError } from '../core/errors.ts';
import type { Backend } from './backend.ts';
import { decodeValue } from './codec.ts';
import { decodeHead, UNKNOWN_INCARNATION, type EntryHead } from './entry.ts';
import type { CacheKey } from './family.ts';
import { inWaves } from './in-waves.ts';
import type { Lookup } from './lookup.ts';
import type { Statistics } from './statistics.ts';

/** What the shared cache holds under a key. `stale`: past its freshness, within its grace. */
export type Found<Value> =
  | { kind: 'value'; value: Value; head: EntryHead; bytes: number; isFresh: boolean; ageMs: number }
  | { kind: 'absent'; head: EntryHead; ageMs: number }
  /** `isVacant`: not even a claim, a tombstone, or what may not be believed. */
  | { kind: 'nothing'; isVacant: boolean }
  | { kind: 'error'; cause: EdgeError };

/** Keys of one look-up that are asked for at once. */
const READS_AT_ONCE = 512;
const UNKNOWN_SERVER = 'cache: it is not known which server process answered';
const NOTHING_USABLE = { kind: 'nothing', isVacant: false } as const;

/** Reads entries and judges them: format, schema version, server incarnation, freshness. */
export class SharedTier {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #statistics: Statistics;

  constructor(backend: Backend, clock: Clock, statistics: Statistics) {
    this.#backend = backend;
    this.#clock = clock;
    this.#statistics = statistics;
  }

  async find<Value>(key: CacheKey<Value>): Promise<Found<Value>> {
    try {
      const [bytes] = await this.#backend.read([key.name]);
      return this.#judge(key, bytes);
    } catch (error) {
      return this.#failed(key, error);
    }
  }

  findMany<Value>(wanted: readonly CacheKey<Value>[]): Promise<Found<Value>[]> {
    return inWaves(wanted, READS_AT_ONCE, (wave) => this.#findWave(wave));
  }

  async #findWave<Value>(wanted: readonly CacheKey<Value>[]): Promise<Found<Value>[]> {
    try {
      const all = await this.#backend.read(wanted.map((key) => key.name));
      return wanted.map((key, index) => this.#judgeOne(key, all[index]));
    } catch (error) {
      return wanted.map((key) => this.#failed(key, error));
    }
  }

  /** The header alone; undefined when there is nothing that may be believed. @throws CacheFailure */
  async findHead(key: CacheKey<unknown>): Promise<EntryHead | undefined> {
    const [bytes] = await this.#backend.readHeads([key.name]);
    const head = bytes === undefined ? undefined : decodeHead(bytes);
    return head !== undefined && this.#isCredible(key, head) ? head : undefined;
  }

  /** Whether there is a value, fresh or within its grace: by its header. */
  async exists(key: CacheKey<unknown>): Promise<Lookup<boolean>> {
    const counts = this.#statistics.family(key.family.name);
    try {
      const head = await this.findHead(key);
      const nowMs = this.#clock.nowMs();
      const isThere = head?.kind === 'value' && nowMs < head.freshUntilMs + key.family.graceMs;
      counts[isThere ? 'sharedHits' : 'misses'] += 1;
      const ageMs = isThere ? Math.max(0, nowMs - head.writtenAtMs) : 0;
      return { kind: 'hit', value: isThere, tier: 'shared', ageMs, isStale: false };
    } catch (error) {
      return this.#failed(key, error);
    }
  }

  #judgeOne<Value>(key: CacheKey<Value>, bytes: Buffer | undefined): Found<Value> {
    try {
      return this.#judge(key, bytes);
    } catch (error) {
      return this.#failed(key, error);
    }
  }

  /** @throws CacheFailure */
  #judge<Value>(key: CacheKey<Value>, bytes: Buffer | undefined): Found<Value> {
    if (bytes === undefined) return { kind: 'nothing', isVacant: true };
    this.#statistics.family(key.family.name).bytesRead += bytes.length;
    const head = decodeHead(bytes);
    if (head === undefined) return this.#unparsable(key);
    if (!this.#isCredible(key, head)) return NOTHING_USABLE;
    const nowMs = this.#clock.nowMs();
    const ageMs = Math.max(0, nowMs - head.writtenAtMs);
    const isFresh = !head.isSoftPurged && nowMs < head.freshUntilMs;
    if (head.kind === 'negative') return isFresh ? { kind: 'absent', head, ageMs } : NOTHING_USABLE;
    if (head.kind !== 'value' || nowMs >= head.freshUntilMs + key.family.graceMs) return NOTHING_USABLE;
    const value = decodeValue(key, head, bytes);
    if (value === undefined) return this.#unparsable(key);
    return { kind: 'value', value, head, bytes: bytes.length, isFresh, ageMs };
  }

  /**
   * Entries of another schema version, or of a server process that is gone, are left alone and not used. Not to know which
   * process answered is an error and no miss: the connection was lost meanwhile.
   *
   * @throws CacheFailure
   */
  #isCredible(key: CacheKey<unknown>, head: EntryHead): boolean {
    if (head.kind === 'tombstone' || head.kind === 'claim') return true;
    if (head.schemaVersion !== key.family.schemaVersion) return false;
    if (key.family.isRestorable) return true;
    const incarnation = this.#backend.incarnation(key.name);
    if (incarnation === UNKNOWN_INCARNATION) throw new EdgeError('CACHE_FAILED', { detail: UNKNOWN_SERVER });
    return head.incarnation === incarnation;
  }

  #unparsable(key: CacheKey<unknown>): typeof NOTHING_USABLE {
    this.#statistics.family(key.family.name).unparsable += 1;
    // Best effort: were it to fail, the next reader tries again.
    this.#backend.remove([key.name]).catch(() => undefined);
    return NOTHING_USABLE;
  }

  #failed(key: CacheKey<unknown>, error: unknown): { kind: 'error'; cause: EdgeError } {
    this.#statistics.family(key.family.name).errors += 1;
    return { kind: 'error', cause: toEdgeError(error) };
  }
}
