import { hashedAddress } from '../../cache/url-tag.ts';
import { currentAgeMs } from './age.ts';
import { peekState, stateOf } from './markers.ts';
import { matches, mostRecent, select, type MemoryTier } from './memory-tier.ts';
import type { ResponseKey, SharedCache } from './shared-cache.ts';
import { decodeIndex, decodeStored, encodeIndex, encodeStored } from './stored-codec.ts';
import { isMarked, type StoredResponse } from './stored-response.ts';
import { unionOf, variantKey, type Selecting } from './vary.ts';

/** Where a response is stored: the primary key, in clear for this process. */
export type Address = { key: string; deploymentId: string };

export type Found = { stored: StoredResponse; isSoftPurged: boolean };

export type Lookup =
  | ({ kind: 'found' } & Found)
  | { kind: 'none'; why: 'uri-miss' }
  /** Only for other requests: `varyNames` tell them apart. */
  | { kind: 'none'; why: 'vary-miss'; varyNames: readonly string[] };

/** Part of every key in the shared cache: another one where what stands there is to be read in another way. */
const FORMAT = 3;
/** The cache server holds no larger values than this. */
export const MAX_SHARED_BYTES: number = 1024 * 1024;
const MAX_VARY_SETS = 8;
// Past its use by itself, a response with a validator still spares its body being sent again.
const KEPT_FOR_VALIDATION_MS = 60 * 60 * 1000;
const MAX_TTL_MS = 24 * 60 * 60 * 1000;

/** The two tiers as one: this process's memory, then the cache that all gateways share. */
export class ResponseStore {
  readonly #memory: MemoryTier;
  readonly #shared: SharedCache;

  constructor(memory: MemoryTier, shared: SharedCache) {
    this.#memory = memory;
    this.#shared = shared;
  }

  /** What memory alone can say, without asking anyone whether it was purged; undefined: look it up. */
  peek(address: Address, selecting: Selecting): Found | undefined {
    const stored = select(this.#memory.get(address.key), selecting);
    const state = stored === undefined ? undefined : peekState(this.#shared, stored.markers);
    if (stored === undefined || state === undefined || state === 'purged') return undefined;
    return { stored, isSoftPurged: state === 'stale' };
  }

  /** Whether the response was purged since it was asked for, as far as that can be told. */
  async isPurged({ markers }: Pick<StoredResponse, 'markers'>): Promise<boolean> {
    if (!isMarked({ markers })) return false;
    return (peekState(this.#shared, markers) ?? (await stateOf(this.#shared, markers))) === 'purged';
  }

  /** The selected response from memory: of what a request selects, the most recent that was not purged. */
  async find(address: Address, selecting: Selecting): Promise<Found | undefined> {
    for (;;) {
      const stored = select(this.#memory.get(address.key), selecting);
      if (stored === undefined) return undefined;
      const state = await stateOf(this.#shared, stored.markers);
      if (state !== 'purged') return { stored, isSoftPurged: state === 'stale' };
      this.#memory.remove(address.key, stored);
    }
  }

  /** The selected response from the shared cache. */
  async findShared(address: Address, selecting: Selecting): Promise<Lookup> {
    const indexKey = keyOf(address);
    const [bytes] = await this.#shared.read([indexKey]);
    const index = bytes === undefined ? undefined : decodeIndex(bytes);
    if (index === undefined) return { kind: 'none', why: 'uri-miss' };
    const keys = index.varySets.map((names) => variantOf(indexKey, names, selecting));
    const variants = keys.length === 0 ? [] : await this.#shared.read(keys);
    const decoded = variants.map((each) => (each === undefined ? undefined : decodeStored(each)));
    const present = [index.inline, ...decoded].filter((each) => each !== undefined);
    const candidates = present.filter((each) => matches(each, selecting));
    if (candidates.length === 0) {
      return { kind: 'none', why: 'vary-miss', varyNames: unionOf(...index.varySets) };
    }
    const found = await this.#mostRecentOf(candidates);
    return found === undefined ? { kind: 'none', why: 'uri-miss' } : { kind: 'found', ...found };
  }

  /** What was purged may be dated ahead of what came after the purge. */
  async #mostRecentOf(candidates: readonly StoredResponse[]): Promise<Found | undefined> {
    const stored = mostRecent(candidates);
    if (stored === undefined) return undefined;
    const state = await stateOf(this.#shared, stored.markers);
    if (state !== 'purged') return { stored, isSoftPurged: state === 'stale' };
    return this.#mostRecentOf(candidates.filter((each) => each !== stored));
  }

  /** Keeps in memory what came from the shared cache. */
  keepNear(address: Address, stored: StoredResponse): void {
    this.#memory.put(address.key, stored);
  }

  /** What memory holds at the address for the request, purged or not. */
  inMemory(address: Address, selecting: Selecting): StoredResponse | undefined {
    return select(this.#memory.get(address.key), selecting);
  }

  /** Names of selecting headers under which memory knows variants of the address. */
  varyNames(address: Address): readonly string[] {
    return unionOf(...this.#memory.get(address.key).map(({ varyNames }) => varyNames));
  }

  /** Stores; resolves when every gateway can find it. */
  put(address: Address, stored: StoredResponse, nowMs: number): Promise<void> {
    this.#memory.put(address.key, stored);
    return this.#share(address, stored, nowMs);
  }

  /** Forgets a response that must not be used again. */
  remove(address: Address, stored: StoredResponse): void {
    this.#memory.remove(address.key, stored);
    const key = keyOf(address);
    const { varyNames, variant } = stored;
    void this.#shared.remove([varyNames.length === 0 ? key : named(key, varyNames, variant)]);
  }

  /** Gives back the memory of what was purged; the shared cache's copies end by themselves. */
  forgetNear(address: Address): void {
    this.#memory.remove(address.key);
  }

  async #share(address: Address, stored: StoredResponse, nowMs: number): Promise<void> {
    if (stored.body.length > MAX_SHARED_BYTES) return;
    const ttlMs = usefulMs(stored, nowMs);
    if (ttlMs <= 0) return;
    const key = keyOf(address);
    const variants = this.#memory.get(address.key);
    const sets = variants.map(({ varyNames }) => varyNames).filter((names) => names.length > 0);
    const varySets = [...new Map(sets.map((names) => [names.join(), names])).values()].slice(
      0,
      MAX_VARY_SETS,
    );
    const inline = variants.find(({ varyNames }) => varyNames.length === 0);
    const { varyNames, variant } = stored;
    if (varyNames.length > 0) {
      await this.#shared.write(named(key, varyNames, variant), encodeStored(stored), ttlMs);
    }
    // The way to every variant lasts as long as any of them.
    const indexTtlMs = Math.max(...variants.map((each) => usefulMs(each, nowMs)), ttlMs);
    await this.#shared.write(key, encodeIndex({ varySets, inline }), indexTtlMs);
  }
}

/** How long a response can still be of use to anyone. */
function usefulMs(stored: StoredResponse, nowMs: number): number {
  const { staleWhileRevalidateMs, staleIfErrorMs, etag, lastModified } = stored;
  const hasValidator = etag !== undefined || lastModified !== undefined;
  const afterwardsMs = Math.max(
    staleWhileRevalidateMs,
    staleIfErrorMs,
    hasValidator ? KEPT_FOR_VALIDATION_MS : 0,
  );
  const leftMs = stored.lifetimeMs - currentAgeMs(stored, nowMs) + afterwardsMs;
  return Math.min(MAX_TTL_MS, Math.ceil(leftMs));
}

function keyOf({ deploymentId, key }: Address): ResponseKey {
  return { deploymentId, rest: hashedAddress(`${FORMAT} ${key}`) };
}

function variantOf(index: ResponseKey, names: readonly string[], selecting: Selecting): ResponseKey {
  return named(index, names, variantKey(names, selecting));
}

function named(index: ResponseKey, names: readonly string[], variant: string): ResponseKey {
  return { ...index, rest: `${index.rest}.${hashedAddress(`${names.join()}\n${variant}`)}` };
}
