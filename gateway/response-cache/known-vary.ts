import { LRUCache } from 'lru-cache';
import { unionOf } from './vary.ts';

const MAX_KEYS = 50_000;
// Addresses are as long as clients like: their number alone bounds nothing.
const MAX_BYTES = 16 * 1024 * 1024;
const OVERHEAD_BYTES = 128;
// More than this no application looks at; each name is one more by which responses are kept apart.
const MAX_NAMES = 32;

/** What is known of the responses of an address that may be stored. */
export type Known = {
  /** All request headers that any of them named in Vary. */
  names: readonly string[];
  /** The last one was meant for requests with credentials too (RFC 9111 section 3.5). */
  isForAuthorized: boolean;
};

/** What of a request counts, by address: once that is known, a function can be asked for everybody. Forgetting costs a call. */
export class KnownVary {
  readonly #known = new LRUCache<string, Known>({
    max: MAX_KEYS,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ names }, key) =>
      names.reduce((bytes, name) => bytes + name.length, OVERHEAD_BYTES + key.length),
  });

  get(key: string): Known | undefined {
    return this.#known.get(key);
  }

  /** Adds to what is known; whatever is left out stays as it was. */
  learn(
    key: string,
    { names, isForAuthorized }: { names: readonly string[]; isForAuthorized?: boolean | undefined },
  ): void {
    const before = this.#known.get(key);
    this.#known.set(key, {
      names: unionOf(before?.names ?? [], names).slice(0, MAX_NAMES),
      isForAuthorized: isForAuthorized ?? before?.isForAuthorized ?? false,
    });
  }
}
