import { LRUCache } from 'lru-cache';
import type { Cache } from '../cache/cache.ts';
import { keys } from '../cache/keys.ts';
import type { FunctionLogLine } from '../contracts/function-logs.ts';
import type { Clock } from '../core/clock.ts';
import { LINE_RATE, type LogSink } from './function-logs.ts';
import type { FunctionMetrics } from './function-metrics.ts';
import { TokenBucket } from './token-bucket.ts';

/** How long lines wait for others that go with them. */
const FLUSH_MS = 250;
/** Longest time that one round of appends may take; what has not gone by then is dropped. */
const ROUND_MS = 5000;
/** Bytes that wait at most, of one deployment and of all. */
const MAX_PENDING_BYTES = 256 * 1024;
const MAX_PENDING_TOTAL_BYTES = 8 * 1024 * 1024;
/** What a line takes besides its message. */
const LINE_BYTES = 200;
const MAX_DEPLOYMENTS = 5000;

type Parts = { cache: Cache; metrics: Pick<FunctionMetrics, 'logLines'>; clock: Clock };

/** What is missing from a deployment's log. */
type Missing = { dropped: number; lost: number };
type Pending = { lines: FunctionLogLine[]; bytes: number };

/**
 * Takes lines to the shared cache, in batches, off the way of every call. Bounded in lines a second and in bytes, for
 * each deployment and for all; a cache that cannot be written costs the lines, which are counted, and nothing else. What
 * is missing is said in the log itself where it goes on.
 */
export class LogShipper implements LogSink {
  readonly #parts: Parts;
  readonly #buckets = new LRUCache<string, TokenBucket>({ max: MAX_DEPLOYMENTS });
  readonly #missing = new LRUCache<string, Missing>({ max: MAX_DEPLOYMENTS });
  #pending = new Map<string, Pending>();
  #pendingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  add(deploymentId: string, line: FunctionLogLine): void {
    const bytes = LINE_BYTES + Buffer.byteLength(line.message);
    const pending = this.#pending.get(deploymentId) ?? { lines: [], bytes: 0 };
    const isTooMuch =
      pending.bytes + bytes > MAX_PENDING_BYTES || this.#pendingBytes + bytes > MAX_PENDING_TOTAL_BYTES;
    if (isTooMuch || !this.#bucketOf(deploymentId).take()) {
      this.drop(deploymentId);
      return;
    }
    pending.lines.push(line);
    pending.bytes += bytes;
    this.#pendingBytes += bytes;
    this.#pending.set(deploymentId, pending);
    this.#flushSoon();
  }

  drop(deploymentId: string): void {
    this.#missingOf(deploymentId).dropped += 1;
    this.#parts.metrics.logLines('limited', 1);
    if (!this.#pending.has(deploymentId)) this.#pending.set(deploymentId, { lines: [], bytes: 0 });
    this.#flushSoon();
  }

  /** Sends what waits. */
  async close(): Promise<void> {
    await this.#sending;
    clearTimeout(this.#timer);
    await this.#send();
  }

  /** One round after the other, so that the lines of a deployment keep their order. */
  #flushSoon(): void {
    if (this.#sending !== undefined) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sending = this.#send().finally(() => {
        this.#sending = undefined;
        if (this.#pending.size > 0) this.#flushSoon();
      });
    }, FLUSH_MS).unref();
  }

  async #send(): Promise<void> {
    const batch = this.#pending;
    this.#pending = new Map();
    const untilMs = this.#parts.clock.monotonicMs() + ROUND_MS;
    for (const [deploymentId, { lines, bytes }] of batch) {
      const isInTime = this.#parts.clock.monotonicMs() < untilMs;
      const wasStored = isInTime && (await this.#append(deploymentId, lines));
      if (!wasStored) this.#missingOf(deploymentId).lost += lines.length;
      this.#parts.metrics.logLines(wasStored ? 'stored' : 'lost', lines.length);
      this.#pendingBytes -= bytes;
    }
  }

  async #append(deploymentId: string, lines: FunctionLogLine[]): Promise<boolean> {
    const missing = { ...this.#missingOf(deploymentId) };
    const { before, after } = describeMissing(missing);
    const { kind } = await this.#parts.cache.append(keys.functionLogs(deploymentId), [
      ...before.map((message) => this.#note(message)),
      ...lines,
      ...after.map((message) => this.#note(message)),
    ]);
    if (kind !== 'stored') return false;
    const now = this.#missingOf(deploymentId);
    this.#missing.set(deploymentId, {
      dropped: now.dropped - missing.dropped,
      lost: now.lost - missing.lost,
    });
    return true;
  }

  #note(message: string): FunctionLogLine {
    return { timeMs: this.#parts.clock.nowMs(), level: 'warn', message, source: 'platform' };
  }

  #bucketOf(deploymentId: string): TokenBucket {
    const known = this.#buckets.get(deploymentId);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(LINE_RATE, this.#parts.clock);
    this.#buckets.set(deploymentId, bucket);
    return bucket;
  }

  #missingOf(deploymentId: string): Missing {
    const known = this.#missing.get(deploymentId);
    if (known !== undefined) return known;
    const none = { dropped: 0, lost: 0 };
    this.#missing.set(deploymentId, none);
    return none;
  }
}

function describeMissing({ dropped, lost }: Missing): { before: string[]; after: string[] } {
  const lines = `${LINE_RATE.perSecond} lines or ${(MAX_PENDING_BYTES * 1000) / FLUSH_MS / 1024 / 1024} MiB`;
  return {
    before: lost > 0 ? [`${count(lost)} before these could not be kept: the cache was not reachable.`] : [],
    after: dropped > 0 ? [`${count(dropped)} left out: more than ${lines} a second.`] : [],
  };
}

function count(lines: number): string {
  return lines === 1 ? '1 line' : `${lines} lines`;
}
