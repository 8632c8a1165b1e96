import type { EdgeError } from '../core/errors.ts';

/**
 * A tag is a version marker. What carries tags stores their versions, read *before* the content was made, so that a
 * purge in between wins. Purging a tag replaces its version: O(1), however much carries it. A version has two halves,
 * `hard.soft`: a soft purge replaces the second, and what carries the tag becomes stale instead of gone.
 */
export type TagVersions = { kind: 'known'; versions: string[] } | { kind: 'error'; cause: EdgeError };

/** What has become of something since it stored a tag's version. */
export type TagState = 'current' | 'stale' | 'purged';

export function firstTagVersion(): string {
  return `${newMark()}.${newMark()}`;
}

/** The version after a purge. `before` is undefined when the marker was lost: that counts as a hard purge. */
export function nextTagVersion(before: string | undefined, mode: 'soft' | 'hard'): string {
  const hard = before?.split('.')[0];
  return mode === 'soft' && hard !== undefined ? `${hard}.${newMark()}` : firstTagVersion();
}

/** Compares versions stored with something to the present ones, in the same order. */
export function tagState(stored: readonly string[], present: readonly string[]): TagState {
  let state: TagState = stored.length === present.length ? 'current' : 'purged';
  for (const [index, version] of present.entries()) {
    const before = stored[index];
    if (before === version) continue;
    if (before?.split('.')[0] !== version.split('.')[0]) return 'purged';
    if (state === 'current') state = 'stale';
  }
  return state;
}

/** The tag that everything of one deployment carries, so that a deployment's responses can be purged at once. */
export function deploymentTag(deploymentId: string): string {
  return `deployment:${deploymentId}`;
}

/**
 * Changes with every purge of any tag of the project, before that tag does. Who learns of tags only when content comes
 * (a response names them) reads it before and after: unchanged, no purge fell in between.
 */
export const GENERATION_TAG = '*';

/** Random rather than counted: a marker that was evicted never comes back to an old value. */
function newMark(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(0, 16);
}
