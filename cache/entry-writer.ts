import type { Clock } from '../core/clock.ts';
import { toEdgeError, type EdgeError } from '../core/errors.ts';
import type { Backend } from './backend.ts';
import type { PurgeMode } from './cache.ts';
import { encodeEntry, type Encoded } from './codec.ts';
import type { CacheConfig } from './config.ts';
import type { CacheKey } from './family.ts';
import { familyTtlMs, freshForMs, negativeForMs } from './freshness.ts';
import type { Loaded, WriteOutcome } from './lookup.ts';
import type { Protections } from './protections.ts';
import type { FamilyCounts, Statistics } from './statistics.ts';

/** A purge is remembered for this long; loads that take longer are not stored at all. */
export const TOMBSTONE_MS = 60_000;

type Reason = Extract<WriteOutcome, { kind: 'refused' }>['reason'];
const REFUSALS = {
  'older-revision': 'refusedOlder',
  'purged-meanwhile': 'refusedLate',
  'too-large': 'refusedTooLarge',
  expired: 'refusedExpired',
} as const satisfies Record<Reason, keyof FamilyCounts>;

export type WriterOptions = {
  backend: Backend;
  clock: Clock;
  config: Pick<CacheConfig, 'defaultTtlMs' | 'compressAboveBytes' | 'nearTtlMs'>;
  statistics: Statistics;
  /** A server of this process alone, which no writer of other processes reaches: coherent values live briefly. */
  isSolo: boolean;
  protections: Protections;
};

type Attempted = Encoded | { kind: 'failed'; cause: EdgeError };

/** What a fill put into the shared cache, for the near copy beside it. */
export type Filled = {
  outcome: WriteOutcome;
  stamp: string;
  bytes: number;
  writtenAtMs: number;
  freshUntilMs: number;
};

/** Turns values into entries with their lifetimes and writes them. */
export class EntryWriter {
  readonly #options: WriterOptions;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  async set<Value>(
    key: CacheKey<Value>,
    value: Value,
    options: { ttlMs?: number | undefined; rev?: number | undefined },
  ): Promise<WriteOutcome> {
    const { family } = key;
    const rev = options.rev ?? family.revOf?.(value);
    const freshMs = this.#freshForMs(key, options.ttlMs);
    if (freshMs <= 0) return { kind: 'refused', reason: 'expired' };
    const encoded = this.#encode(key, { kind: 'value', value, rev: rev ?? 0, freshMs, loadMs: 0 });
    if (encoded.kind !== 'encoded') return this.#count(key, whyNotEncoded(encoded));
    const { compareAndSet } = this.#options.protections;
    const isCompared = compareAndSet && (rev !== undefined || family.revOf !== undefined);
    return this.#write(key, encoded.entry, async () => {
      const ttlMs = freshMs + family.graceMs;
      const reply = await this.#options.backend.write(key.name, encoded.entry, { ttlMs, isCompared });
      return reply === 'stored' ? { kind: 'stored' } : { kind: 'refused', reason: reply };
    });
  }

  /** Stores what a loader answered, if the claim it loaded under still stands. */
  async fill<Value>(
    key: CacheKey<Value>,
    loaded: Loaded<Value>,
    options: { token: string | undefined; loadMs: number; tookMs: number },
  ): Promise<Filled> {
    const nowMs = this.#options.clock.nowMs();
    const isFound = loaded.kind === 'found';
    const freshMs = isFound ? this.#freshForMs(key, loaded.ttlMs) : negativeForMs(key.family, Math.random());
    const rev = isFound ? (loaded.rev ?? key.family.revOf?.(loaded.value) ?? 0) : 0;
    const facts = { rev, freshMs, loadMs: options.loadMs };
    const encoded = isFound
      ? this.#encode(key, { kind: 'value', value: loaded.value, ...facts })
      : this.#encode(key, { kind: 'negative', ...facts });
    const filled = { stamp: '', bytes: 0, writtenAtMs: nowMs, freshUntilMs: nowMs + freshMs };
    if (encoded.kind !== 'encoded') return { ...filled, outcome: this.#count(key, whyNotEncoded(encoded)) };
    const { entry, stamp } = encoded;
    const bytes = entry.length;
    const { token } = options;
    if (token === undefined || freshMs <= 0) {
      return { ...filled, bytes, outcome: { kind: 'refused', reason: 'expired' } };
    }
    if (options.tookMs > TOMBSTONE_MS / 2) {
      return { ...filled, bytes, outcome: this.#count(key, { kind: 'refused', reason: 'purged-meanwhile' }) };
    }
    const outcome = await this.#write(key, entry, async () => {
      const ttlMs = freshMs + (isFound ? key.family.graceMs : 0);
      const { backend, protections } = this.#options;
      const reply = protections.compareAndSet
        ? await backend.fill(key.name, entry, { ttlMs, token })
        : await backend.write(key.name, entry, { ttlMs, isCompared: false });
      return reply === 'stored' ? { kind: 'stored' } : { kind: 'refused', reason: reply };
    });
    return { ...filled, bytes, stamp: outcome.kind === 'stored' ? stamp : '', outcome };
  }

  /** Ends the entry or marks it stale, and ends every load of it that is under way. @throws CacheFailure */
  async purge(key: CacheKey<unknown>, { rev, mode }: { rev: number; mode: PurgeMode }): Promise<void> {
    const encoded = this.#encode(key, { kind: 'tombstone', rev, freshMs: 0, loadMs: 0 });
    if (encoded.kind === 'failed') throw encoded.cause;
    if (encoded.kind === 'too-large') return;
    const graceMs = mode === 'soft' ? key.family.graceMs : 0;
    await this.#options.backend.purge(key.name, encoded.entry, {
      ttlMs: TOMBSTONE_MS,
      keepRev: rev,
      graceMs,
    });
  }

  #freshForMs(key: CacheKey<unknown>, ttlMs: number | undefined): number {
    const { config, isSolo } = this.#options;
    const defaultTtlMs = config.defaultTtlMs;
    const forMs = freshForMs(key.family, { ttlMs, defaultTtlMs, random: Math.random() });
    return isSolo && key.family.near === 'coherent' && key.family.revOf !== undefined
      ? Math.min(forMs, config.nearTtlMs, familyTtlMs(key.family, defaultTtlMs))
      : forMs;
  }

  #encode(
    key: CacheKey<unknown>,
    facts: {
      kind: 'value' | 'negative' | 'tombstone';
      value?: unknown;
      rev: number;
      freshMs: number;
      loadMs: number;
    },
  ): Attempted {
    const { backend, clock, config } = this.#options;
    try {
      return encodeEntry(key, {
        kind: facts.kind,
        value: facts.value,
        rev: facts.rev,
        times: { nowMs: clock.nowMs(), freshForMs: facts.freshMs, loadMs: facts.loadMs },
        incarnation: backend.incarnation(key.name),
        compressAboveBytes: config.compressAboveBytes,
      });
    } catch (error) {
      // A value that has no JSON, a revision that is no number: the caller's mistake, and still no reason to throw.
      return { kind: 'failed', cause: toEdgeError(error) };
    }
  }

  async #write(
    key: CacheKey<unknown>,
    entry: Buffer,
    send: () => Promise<WriteOutcome>,
  ): Promise<WriteOutcome> {
    const counts = this.#options.statistics.family(key.family.name);
    counts.writes += 1;
    counts.bytesWritten += entry.length;
    try {
      return this.#count(key, await send());
    } catch (error) {
      counts.writeFailures += 1;
      return { kind: 'error', cause: toEdgeError(error) };
    }
  }

  #count(key: CacheKey<unknown>, outcome: WriteOutcome): WriteOutcome {
    const counts = this.#options.statistics.family(key.family.name);
    if (outcome.kind === 'stored') counts.fillsStored += 1;
    if (outcome.kind === 'refused') counts[REFUSALS[outcome.reason]] += 1;
    if (outcome.kind === 'error') counts.writeFailures += 1;
    return outcome;
  }
}

function whyNotEncoded(encoded: Exclude<Attempted, { kind: 'encoded' }>): WriteOutcome {
  return encoded.kind === 'failed'
    ? { kind: 'error', cause: encoded.cause }
    : { kind: 'refused', reason: 'too-large' };
}
