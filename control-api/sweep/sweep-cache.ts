import { isUuid } from '../is-uuid.ts';
import type { Context } from '../context.ts';
import { existing } from './existing.ts';

/** Families whose keys name a deployment, and those whose keys name a project. */
const OF_DEPLOYMENTS: ReadonlySet<string> = new Set(['deployment', 'response']);
const OF_PROJECTS: ReadonlySet<string> = new Set(['project', 'tag']);
// A server does some hundred thousand a second.
const KEYS_PER_SECOND = 10_000;

/**
 * Removes what the cache has of deployments and projects that are gone: stored responses, and whatever somebody put
 * there while they were being deleted. Answers how many keys.
 */
export async function sweepCache(context: Context, signal?: AbortSignal): Promise<number> {
  const { cache } = context;
  if (cache.state() === 'disabled') return 0;
  let removed = 0;
  for (const family of [...OF_DEPLOYMENTS, ...OF_PROJECTS]) {
    const report = await cache.sweep({
      pattern: `${family}:*`,
      isDryRun: false,
      perSecond: KEYS_PER_SECOND,
      areOrphans: (names) => findOrphans(context, names),
      signal,
    });
    if (report.kind === 'error') throw report.cause;
    // Somebody else is at it.
    if (report.kind === 'busy') return removed;
    removed += report.removed;
  }
  return removed;
}

/** An id of another form is none that this program gave: such a key is left to whoever wrote it. */
async function findOrphans({ db }: Context, names: readonly string[]): Promise<boolean[]> {
  const owners = names.map((name) => name.split(':', 2));
  const idsOf = (families: ReadonlySet<string>): string[] => [
    ...new Set(owners.flatMap(([family = '', id = '']) => (families.has(family) && isUuid(id) ? [id] : []))),
  ];
  const asked = { deployments: idsOf(OF_DEPLOYMENTS), projects: idsOf(OF_PROJECTS) };
  const known = await existing(db, asked);
  const gone = new Set([...asked.deployments, ...asked.projects]);
  for (const id of [...known.deployments, ...known.projects]) gone.delete(id);
  return owners.map(([, id = '']) => gone.has(id));
}
