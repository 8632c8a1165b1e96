import { and, eq, inArray } from 'drizzle-orm';
import type { Caller } from '../access/caller.ts';
import { hasRight } from '../access/rights.ts';
import type { Context } from '../context.ts';
import { domains, tracks } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';

export type Requested = { project: ProjectRow; caller: Caller; track: string; hosts: readonly string[] };

/**
 * A deploy may name the domains that its track has. One that it would bring along, or take from another track, needs the
 * right with which domains are added by themselves.
 *
 * @throws Failure FORBIDDEN.
 */
export async function refuseNewDomains(context: Context, requested: Requested): Promise<void> {
  const { project, caller, track } = requested;
  const [added] = await newDomains(context, requested);
  if (added === undefined) return;
  if ((await hasRight(context, caller, project.organizationId, 'manage')) === 'yes') return;
  throw new Failure(
    'FORBIDDEN',
    `The track ${track} does not have the domain ${added}, and your role does not include the right to add it. Ask an owner to, or deploy without it.`,
  );
}

async function newDomains({ db }: Context, { project, track, hosts }: Requested): Promise<string[]> {
  if (hosts.length === 0) return [];
  const rows = await db
    .select({ host: domains.host })
    .from(domains)
    .innerJoin(tracks, eq(tracks.id, domains.trackId))
    .where(and(inArray(domains.host, [...hosts]), eq(tracks.projectId, project.id), eq(tracks.name, track)));
  const known = new Set(rows.map(({ host }) => host));
  return hosts.filter((host) => !known.has(host));
}
