import type { EdgeError } from '../core/errors.ts';

/** Where a value was found: in this process, or on the cache server. */
export type Tier = 'near' | 'shared';

/** What a look-up says: three different answers, since an outage is not a miss and `false` is a value. */
export type Lookup<Value> =
  | { kind: 'hit'; value: Value; tier: Tier; ageMs: number; isStale: boolean }
  /** A negative entry: the source said, `ageMs` ago, that there is no such thing. */
  | { kind: 'absent'; tier: Tier; ageMs: number }
  | { kind: 'miss' }
  | { kind: 'error'; cause: EdgeError };

/** What a loader answers. It throws when it failed: failed is not absent. */
export type Loaded<Value> =
  | {
      kind: 'found';
      value: Value;
      /** Revision of a value that is compared on write; absent for values without one. */
      rev?: number | undefined;
      /** Lifetime in place of the family's, never longer than it. */
      ttlMs?: number | undefined;
    }
  | { kind: 'absent' };

/** What `getWithFallback` answers; it never throws. */
export type Resolved<Value> =
  | {
      kind: 'found';
      value: Value;
      source: Tier | 'loader';
      ageMs: number;
      /** Served past its freshness because the loader failed or someone else is refreshing it. */
      isStale: boolean;
      /**
       * Served although neither the cache nor the source could be asked whether it still holds: availability came
       * before freshness, and the answer says so (Cache-Status).
       */
      isLastKnownGood: boolean;
    }
  | { kind: 'absent'; source: Tier | 'loader' }
  | { kind: 'failed'; cause: EdgeError };

/** What became of a write. A cache write never throws: the value is a hint. */
export type WriteOutcome =
  | { kind: 'stored' }
  /** A higher revision, a tombstone or a purge that came in between stands against it; or nothing of it is left. */
  | { kind: 'refused'; reason: 'older-revision' | 'purged-meanwhile' | 'too-large' | 'expired' }
  | { kind: 'disabled' }
  | { kind: 'error'; cause: EdgeError };

/** What became of an invalidation. */
export type Invalidation = {
  /** Instances that confirmed that they dropped their near copies. */
  acknowledged: string[];
  /** Instances whose lease ran out instead: they ask the source before they use a near copy again. */
  expired: string[];
  /** Whether the cache server took it; when false, near copies elsewhere are behind by at most the lease. */
  isComplete: boolean;
  durationMs: number;
};
