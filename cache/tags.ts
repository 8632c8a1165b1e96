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

/** The version after a soft purge. */
export function softTagVersion(before: string): string {
  return `${before.split('.')[0] ?? newMark()}.${newMark()}`;
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
 * The tag of one address. No tag that a response names can be mistaken for one: those have no spaces.
 *
 * @param hash of host, path and query, base64url.
 */
export function urlTag(hash: string): string {
  return `url ${hash}`;
}

/**
 * The tag that changes with every purge of `tag`, before it does. Who learns of tags only when content comes (a response
 * names them) reads their generation before and after: unchanged, none of them was purged in between. Addresses, which
 * are purged most often and known beforehand, have many generations, all other tags of a project one.
 */
export function generationTag(tag: string): string {
  return tag.startsWith('url ') ? `* ${tag.slice(-2)}` : '*';
}

/** Random rather than counted: a marker that was evicted never comes back to an old value. */
function newMark(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(0, 16);
}
