import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import { OwedPurges, type Owed } from './owed-purges.ts';

/** What the response cache needs of the cache that all gateways share. Nothing here throws. */
export type SharedCache = {
  /** Values in the order of the keys; undefined where there is none, or the cache could not be asked. */
  read(wanted: readonly ResponseKey[]): Promise<(Buffer | undefined)[]>;
  write(key: ResponseKey, value: Buffer, ttlMs: number): Promise<void>;
  remove(keys: readonly ResponseKey[]): Promise<void>;
  /** Versions of the tags, if they may be used right now without asking anyone. */
  peekVersions(projectId: string, tags: readonly string[]): readonly string[] | undefined;
  /**
   * Versions of the tags; undefined when nobody can say. `isCurrent`: as they are on the cache server now, read in the
   * order given, near copies or not.
   */
  versions(
    projectId: string,
    tags: readonly string[],
    options?: { isCurrent: boolean },
  ): Promise<readonly string[] | undefined>;
  /**
   * Ends what carries the tag, in every gateway, and keeps what is being asked for from being stored; resolves when they
   * know, or after a while. Where the cache server cannot be told, it is told later, and until then no versions are known.
   */
  purge(purge: Owed): Promise<void>;
};

/** `response:{deployment}:{rest}`. */
export type ResponseKey = { deploymentId: string; rest: string };

export function sharedCacheOver(cache: Cache): SharedCache {
  const owed = new OwedPurges((projectId, tag) => cache.purgeTagIfRead(projectId, tag));
  const keyOf = ({ deploymentId, rest }: ResponseKey): ReturnType<typeof keys.response> =>
    keys.response(deploymentId, rest);
  return {
    read: async (wanted) => {
      const lookups = await cache.getMany(wanted.map(keyOf));
      return lookups.map((lookup) => (lookup.kind === 'hit' ? lookup.value : undefined));
    },
    write: async (key, value, ttlMs) => {
      // A value that the cache did not take is one that it does not have: nothing to do about it.
      await cache.set(keyOf(key), value, { ttlMs });
    },
    remove: async (unwanted) => {
      await cache.del(unwanted.map(keyOf));
    },
    peekVersions: (projectId, tags) => (owed.isEmpty ? cache.peekTagVersions(projectId, tags) : undefined),
    versions: async (projectId, tags, options) => {
      if (!(await owed.settle())) return undefined;
      const found = await cache.tagVersions(projectId, tags, options);
      return found.kind === 'known' ? found.versions : undefined;
    },
    purge: (purge) => owed.end(purge),
  };
}
