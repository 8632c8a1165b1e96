import { LRUCache } from 'lru-cache';

const REMEMBERED_MS = 120_000;
const MAX_KEYS = 20_000;
// Addresses are as long as clients like: their number alone bounds nothing.
const MAX_BYTES = 8 * 1024 * 1024;
const OVERHEAD_BYTES = 128;

/**
 * Keys whose last response was for one client alone: requests for them do not wait for one another, for a while. A
 * response that can be shared after all ends it.
 */
export class HitForMiss {
  readonly #untilMs = new LRUCache<string, number>({
    max: MAX_KEYS,
    maxSize: MAX_BYTES,
    sizeCalculation: (_untilMs, key) => OVERHEAD_BYTES + key.length,
  });

  has(key: string, nowMs: number): boolean {
    const untilMs = this.#untilMs.get(key);
    return untilMs !== undefined && nowMs < untilMs;
  }

  mark(key: string, nowMs: number): void {
    this.#untilMs.set(key, nowMs + REMEMBERED_MS);
  }

  clear(key: string): void {
    this.#untilMs.delete(key);
  }
}
