import { generationTag, tagState, type TagState } from '../../cache/tags.ts';
import { hashedAddress } from '../../cache/url-tag.ts';
import type { SharedCache } from './shared-cache.ts';
import type { Markers } from './stored-response.ts';

/** Versions that were read before a function was called; undefined: the cache could not say, so nothing is stored. */
export type Snapshot = { projectId: string; versions: ReadonlyMap<string, string> };

/** The tag of a cache group: its origin is part of it (RFC 9875 section 2). */
export function tagOfGroup(origin: string, group: string): string {
  return `group ${hashedAddress(`${origin} ${group}`)}`;
}

/**
 * Takes the versions of the tags that are known before the call, and the generations of those that may turn up.
 *
 * @param url the address's own tag. Its generation is read, not it: not every address has something to store.
 */
export async function takeSnapshot(
  cache: SharedCache,
  projectId: string,
  { url, known }: { url: string; known: readonly string[] },
): Promise<Snapshot | undefined> {
  const names = [...new Set([generationTag(''), generationTag(url), ...known])];
  const versions = cache.peekVersions(projectId, names) ?? (await cache.versions(projectId, names));
  if (versions === undefined) return undefined;
  return { projectId, versions: new Map(names.map((name, index) => [name, versions[index] ?? ''])) };
}

/**
 * The markers of a response whose tags are only now known. Tags that the snapshot lacks get their versions of now, if
 * their generation is still that of the snapshot: a purge changes the generation first, so that one which changed such
 * a tag after the call began cannot go unseen. Undefined: the response may be older than a purge, and is not stored.
 */
export async function markersFor(
  cache: SharedCache,
  { projectId, versions }: Snapshot,
  tags: readonly string[],
): Promise<Markers | undefined> {
  const names = [...new Set(tags)];
  const unknown = names.filter((name) => !versions.has(name));
  const found = new Map(versions);
  if (unknown.length > 0) {
    const generations = [...new Set(unknown.map(generationTag))];
    const wanted = [...unknown, ...generations];
    const present = await cache.versions(projectId, wanted, { isCurrent: true });
    if (present === undefined) return undefined;
    for (const [index, name] of wanted.entries()) {
      const version = present[index] ?? '';
      if (index < unknown.length) found.set(name, version);
      else if (versions.get(name) !== version) return undefined;
    }
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
