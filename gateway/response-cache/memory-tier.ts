import { LRUCache } from 'lru-cache';
import { fieldOf } from '../header-fields.ts';
import { dateOf } from './age.ts';
import type { StoredResponse } from './stored-response.ts';
import { isLanguageWanted, isStrict, variantKey, withoutDigest, type Selecting } from './vary.ts';

/** Everything stored under one primary key. */
export type Variants = readonly StoredResponse[];

const MAX_VARIANTS = 64;
// What a response costs beside its bytes, and each string of it beside its characters.
const OVERHEAD_BYTES = 1024;
const STRING_BYTES = 48;

/** Responses in this process's memory, bounded in bytes; the least recently used address goes first. */
export class MemoryTier {
  readonly #maxBytes: number;
  readonly #entries: LRUCache<string, Variants>;

  constructor(options: { maxBytes: number }) {
    this.#maxBytes = Math.max(1, options.maxBytes);
    this.#entries = new LRUCache({ maxSize: this.#maxBytes, sizeCalculation: bytesOf });
  }

  get(key: string): Variants {
    return this.#entries.get(key) ?? [];
  }

  /** Adds a response in place of the one that the same requests would select, and of those that it makes superfluous. */
  put(key: string, stored: StoredResponse): void {
    const others = this.get(key).filter((each) => !isSameVariant(each, stored) && !isOneOf(each, stored));
    const variants = [stored, ...others.slice(0, MAX_VARIANTS - 1)];
    // One address that outgrows the tier loses its oldest variants: past its size the tier would take none of them.
    while (variants.length > 1 && bytesOf(variants, key) > this.#maxBytes) variants.pop();
    this.#entries.set(key, variants);
  }

  /** Replaces a response, unless something newer has taken its place. */
  replace(key: string, before: StoredResponse, after: StoredResponse): void {
    if (this.get(key).includes(before)) this.put(key, after);
  }

  remove(key: string, stored?: StoredResponse): void {
    const left = stored === undefined ? [] : this.get(key).filter((each) => each !== stored);
    if (left.length === 0) this.#entries.delete(key);
    else this.#entries.set(key, left);
  }

  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  get count(): number {
    return this.#entries.size;
  }
}

/**
 * The stored response that a request selects: all selecting headers match (RFC 9111 section 4.1); of several the most
 * recent by Date (section 4).
 */
export function select(variants: Variants, selecting: Selecting): StoredResponse | undefined {
  const [only] = variants;
  if (only !== undefined && variants.length === 1 && only.varyNames.length === 0) return only;
  return mostRecent(variants.filter((each) => matches(each, selecting)));
}

/** Whether the request would have selected the response. */
export function matches(stored: StoredResponse, selecting: Selecting): boolean {
  if (stored.varyNames.length === 0) return true;
  if (variantKey(stored.varyNames, selecting) === stored.variant) return true;
  // What it was made for may show in it: `safe` gives it to those alone who asked for just that.
  if (selecting.profile === 'safe' || !stored.varyNames.includes('accept-language')) return false;
  // Any language that selects the same variant will do: the stored one is put in the request's place.
  const rest = stored.varyNames.filter((name) => name !== 'accept-language');
  const isRestEqual =
    variantKey(rest, selecting) ===
    stored.variant
      .split('\n')
      .filter((line) => !/^accept-language(?:=|$)/.test(line))
      .join('\n');
  const wanted = selecting.headers['accept-language'];
  return isRestEqual && isLanguageWanted(fieldOf(stored.headers, 'content-language'), wanted);
}

export function mostRecent(candidates: readonly StoredResponse[]): StoredResponse | undefined {
  let best: StoredResponse | undefined;
  for (const each of candidates) if (best === undefined || isNewer(each, best)) best = each;
  return best;
}

/** Of one second, the one that came later. */
function isNewer(one: StoredResponse, other: StoredResponse): boolean {
  const difference = madeAt(one) - madeAt(other);
  return difference === 0 ? one.receivedAtMs > other.receivedAtMs : difference > 0;
}

function madeAt(stored: StoredResponse): number {
  return dateOf(stored.headers, stored.receivedAtMs);
}

function isSameVariant(one: StoredResponse, other: StoredResponse): boolean {
  return one.variant === other.variant && one.varyNames.join() === other.varyNames.join();
}

/** Whether the first one is for a single client of those whom the other one is for. */
function isOneOf(one: StoredResponse, other: StoredResponse): boolean {
  return isStrict(one) && withoutDigest(one.variant) === other.variant;
}

function bytesOf(variants: Variants, key: string): number {
  let bytes = key.length * 2;
  for (const { body, headers, variant, varyNames, markers } of variants) {
    bytes += OVERHEAD_BYTES + body.length + variant.length * 2;
    for (const [name, value] of headers) bytes += textBytes([name, value]);
    bytes += textBytes(varyNames) + textBytes(markers.tags) + textBytes(markers.versions);
  }
  return bytes;
}

function textBytes(texts: readonly string[]): number {
  let bytes = texts.length * STRING_BYTES;
  for (const { length } of texts) bytes += length * 2;
  return bytes;
}
