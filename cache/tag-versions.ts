import type { Clock } from '../core/clock.ts';
import { EdgeError, toEdgeError } from '../core/errors.ts';
import type { Backend } from './backend.ts';
import type { PurgeMode } from './cache.ts';
import { decodeValue, encodeEntry } from './codec.ts';
import { decodeHead } from './entry.ts';
import { familyTtlMs } from './freshness.ts';
import { keys, type CacheKey } from './keys.ts';
import type { Near } from './near.ts';
import type { Found, SharedTier } from './shared-tier.ts';
import type { FamilyCounts, Statistics } from './statistics.ts';
import { firstTagVersion, generationTag, softTagVersion, type TagVersions } from './tags.ts';

/** How often versions are read that turn out not to be there: eviction can take one away, not again and again. */
const MAX_READS = 3;
const TAG_FAMILY = keys.tag('', '').family.name;

export type TagOptions = {
  backend: Backend;
  clock: Clock;
  near: Near;
  shared: SharedTier;
  statistics: Statistics;
  defaultTtlMs: number;
};

/** Reads and replaces the versions of tags, near copies under the lease included. */
export class TagStore {
  readonly #options: TagOptions;
  readonly #counts: FamilyCounts;

  constructor(options: TagOptions) {
    this.#options = options;
    this.#counts = options.statistics.family(TAG_FAMILY);
  }

  peek(project: string, tags: readonly string[]): string[] | undefined {
    const versions: string[] = [];
    for (const tag of tags) {
      const entry = this.#options.near.use(keys.tag(project, tag));
      if (entry === undefined) return undefined;
      versions.push(entry.value as string);
    }
    this.#counts.nearHits += versions.length;
    return versions;
  }

  /** `isCurrent`: as the server has them now, read in the order given, whatever is near. */
  async versions(project: string, tags: readonly string[], isCurrent: boolean): Promise<TagVersions> {
    const near = isCurrent ? undefined : this.peek(project, tags);
    if (near !== undefined) return { kind: 'known', versions: near };
    const wanted = tags.map((tag) => keys.tag(project, tag));
    try {
      for (let left = MAX_READS; left > 0; left -= 1) {
        const { versions, hasCreated } = await this.#read(wanted);
        // What had to be made was made after the others had been read: once it is there, all are read at one moment.
        if (!isCurrent || !hasCreated) return { kind: 'known', versions };
      }
      return {
        kind: 'error',
        cause: new EdgeError('CACHE_FAILED', { detail: 'versions of tags do not last' }),
      };
    } catch (error) {
      return { kind: 'error', cause: toEdgeError(error) };
    }
  }

  async #read(wanted: readonly CacheKey<string>[]): Promise<{ versions: string[]; hasCreated: boolean }> {
    const attempt = this.#begin();
    const found = await this.#options.shared.findMany(wanted);
    const versions = await Promise.all(
      wanted.map((key, index) => this.#versionOf(key, found[index], attempt)),
    );
    return { versions, hasCreated: found.some(({ kind }) => kind !== 'value') };
  }

  /** Replaces the generation, then the version; the caller announces both. @throws CacheFailure */
  async purge(project: string, tag: string, mode: PurgeMode): Promise<void> {
    await this.#purgeHard(keys.tag(project, generationTag(tag)));
    const key = keys.tag(project, tag);
    await (mode === 'hard' ? this.#purgeHard(key) : this.#purgeSoft(key));
  }

  /**
   * The same as hard, where the version was ever read; else nothing carries the tag, and only the generation changes, for
   * those who may be about to. Answers which of the two it was. One round trip. @throws CacheFailure
   */
  async purgeIfRead(project: string, tag: string): Promise<boolean> {
    const [generation, key] = [keys.tag(project, generationTag(tag)), keys.tag(project, tag)];
    const first = this.#entryFor(generation, firstTagVersion());
    const second = this.#entryFor(key, firstTagVersion());
    return this.#options.backend.supersede(
      { name: generation.name, entry: first.entry },
      { name: key.name, entry: second.entry },
      first.ttlMs,
    );
  }

  async #purgeHard(key: CacheKey<string>): Promise<void> {
    const { entry, ttlMs } = this.#entryFor(key, firstTagVersion());
    await this.#options.backend.write(key.name, entry, { ttlMs, isCompared: false });
  }

  /**
   * Keeps half of the version that it read, so it replaces that very entry or nothing: else it would bring back what a
   * hard purge ended in between. Where another purge came first there is nothing left to do: whatever carried the
   * tag when this one began carries a version that the other one replaced.
   */
  async #purgeSoft(key: CacheKey<string>): Promise<void> {
    const { backend, shared } = this.#options;
    const before = await shared.find(key);
    if (before.kind === 'error') throw before.cause;
    if (before.kind !== 'value') return this.#purgeHard(key);
    const { entry, ttlMs } = this.#entryFor(key, softTagVersion(before.value));
    await backend.replace(key.name, entry, { ttlMs, stamp: before.head.stamp });
  }

  async #versionOf(
    key: CacheKey<string>,
    found: Found<string> | undefined,
    attempt: { began: number; startedAtMs: number },
  ): Promise<string> {
    if (found?.kind === 'error') throw found.cause;
    if (found?.kind === 'value') {
      this.#counts.sharedHits += 1;
      this.#options.near.keepValue({ key, loader: undefined, ...attempt }, found.value, {
        ...found.head,
        bytes: found.bytes,
      });
      return found.value;
    }
    this.#counts.misses += 1;
    return this.#create(key);
  }

  /** Whoever is first to ask for a tag gives it a version; all others then read that one. */
  async #create(key: CacheKey<string>): Promise<string> {
    const version = firstTagVersion();
    const { entry, ttlMs } = this.#entryFor(key, version);
    const stored = await this.#options.backend.ensure(key.name, entry, ttlMs);
    if (stored.equals(entry)) return version;
    const head = decodeHead(stored);
    const isCurrent =
      head?.kind === 'value' && head.incarnation === this.#options.backend.incarnation(key.name);
    const existing = isCurrent ? decodeValue(key, head, stored) : undefined;
    if (existing !== undefined) return existing;
    // A tombstone, or left over from before the server restarted: its purges may be lost, so begin anew.
    await this.#options.backend.write(key.name, entry, { ttlMs, isCompared: false });
    return version;
  }

  #entryFor(key: CacheKey<string>, version: string): { entry: Buffer; ttlMs: number } {
    const { backend, clock, defaultTtlMs } = this.#options;
    const ttlMs = familyTtlMs(key.family, defaultTtlMs);
    const encoded = encodeEntry(key, {
      kind: 'value',
      value: version,
      rev: 0,
      times: { nowMs: clock.nowMs(), freshForMs: ttlMs, loadMs: 0 },
      incarnation: backend.incarnation(key.name),
      compressAboveBytes: Number.POSITIVE_INFINITY,
    });
    if (encoded.kind === 'too-large') throw new RangeError('a tag version is never too large');
    return { entry: encoded.entry, ttlMs };
  }

  #begin(): { began: number; startedAtMs: number } {
    return { began: this.#options.near.begin(), startedAtMs: this.#options.clock.monotonicMs() };
  }
}
