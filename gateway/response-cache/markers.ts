import { GENERATION_TAG, tagState, type TagState } from '../../cache/tags.ts';
import { hashedKey, sortedQuery, type IgnoredQuery } from './cache-key.ts';
import type { SharedCache } from './shared-cache.ts';
import type { Markers } from './stored-response.ts';

/** Versions that were read before a function was called; undefined: the cache could not say, so nothing is stored. */
export type Snapshot = { projectId: string; generation: string; versions: ReadonlyMap<string, string> };

/** The tag of one address, whatever deployment and scheme answer it: for invalidation and purges by URL. */
export function urlTag(host: string, rawPath: string, search: string, ignored: IgnoredQuery): string {
  return `url:${hashedKey(`${host}${rawPath}${sortedQuery(search, ignored)}`)}`;
}

/** The tag of a cache group: its origin is part of it (RFC 9875 section 2). */
export function groupTag(origin: string, group: string): string {
  return `group:${hashedKey(`${origin} ${group}`)}`;
}

/** Takes the versions of the tags that are known before the call. */
export async function takeSnapshot(
  cache: SharedCache,
  projectId: string,
  tags: readonly string[],
): Promise<Snapshot | undefined> {
  const names = [GENERATION_TAG, ...new Set(tags)];
  const versions = cache.peekVersions(projectId, names) ?? (await cache.versions(projectId, names));
  const generation = versions?.[0];
  if (versions === undefined || generation === undefined) return undefined;
  const pairs = names.slice(1).map((name, index) => [name, versions[index + 1] ?? ''] as const);
  return { projectId, generation, versions: new Map(pairs) };
}

/**
 * The markers of a response whose tags are only now known. Tags that the snapshot lacks get their versions of now,
 * and the generation tells whether anything in the project was purged since the call began: every purge changes
 * the generation first, so that one which changed such a tag after the call began cannot go unseen. Undefined: the
 * response may be older than a purge, and is not stored.
 */
export async function markersFor(
  cache: SharedCache,
  snapshot: Snapshot,
  tags: readonly string[],
): Promise<Markers | undefined> {
  const { projectId, generation } = snapshot;
  const names = [...new Set(tags)];
  const unknown = names.filter((name) => !snapshot.versions.has(name));
  const found = new Map(snapshot.versions);
  if (unknown.length > 0) {
    const present = await cache.versions(projectId, [...unknown, GENERATION_TAG], { isCurrent: true });
    if (present === undefined || present.at(-1) !== generation) return undefined;
    for (const [index, name] of unknown.entries()) found.set(name, present[index] ?? '');
  }
  return { projectId, tags: names, versions: names.map((name) => found.get(name) ?? '') };
}

/** Whether the markers still stand, without asking anyone; undefined: somebody must be asked. */
export function peekState(cache: SharedCache, { projectId, tags, versions }: Markers): TagState | undefined {
  const present = cache.peekVersions(projectId, tags);
  return present === undefined ? undefined : tagState(versions, present);
}

/** The same, asking if need be. Unless somebody can say that a response was not purged, it is taken for purged. */
export async function stateOf(cache: SharedCache, markers: Markers): Promise<TagState> {
  const present = await cache.versions(markers.projectId, markers.tags);
  return present === undefined ? 'purged' : tagState(markers.versions, present);
}
