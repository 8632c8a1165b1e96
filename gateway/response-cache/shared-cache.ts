/** What has become of a response since it stored its tags' versions. */
export type TagState = 'current' | 'stale' | 'purged';

/** What the response cache needs of the cache that all gateways share. Nothing here throws. */
export type SharedCache = {
  /** Values in the order of the keys; undefined where there is none, or the cache could not be asked. */
  read(keys: readonly ResponseKey[]): Promise<(Buffer | undefined)[]>;
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
  /** Compares versions that were stored with those of now, in the same order. */
  compare(stored: readonly string[], present: readonly string[]): TagState;
  /** Gives the tag another version, in every gateway; resolves when they know, or after a while. */
  purge(projectId: string, tag: string, mode: 'soft' | 'hard'): Promise<void>;
};

/** `response:{deployment}:{rest}`. */
export type ResponseKey = { deploymentId: string; rest: string };
