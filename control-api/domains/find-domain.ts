import { inArray } from 'drizzle-orm';
import { domainsOfHost, normalizeDomain } from '../../contracts/domain-names.ts';
import type { Context } from '../context.ts';
import { domains } from '../database/schema.ts';
import { notFound } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';

export type DomainRow = {
  host: string;
  projectId: string;
  trackId: string | null;
  deploymentId: string | null;
};

/** The domain that says what a host shows: its own, else a wildcard above it. A wildcard as such is found too. */
export async function findDomainOf(
  { db, config }: Pick<Context, 'db' | 'config'>,
  typed: string,
): Promise<DomainRow | undefined> {
  const host = normalizeDomain(typed);
  if (host === undefined) return undefined;
  const wanted = host.startsWith('*.') ? [host] : domainsOfHost(host, config.ORIGAN_DEPLOY_DOMAIN);
  const rows = await db
    .select({
      host: domains.host,
      projectId: domains.projectId,
      trackId: domains.trackId,
      deploymentId: domains.deploymentId,
    })
    .from(domains)
    .where(inArray(domains.host, wanted));
  return wanted.flatMap((name) => rows.find((row) => row.host === name) ?? [])[0];
}

/** The same, where it is the project's. @throws Failure NOT_FOUND. */
export async function findOwnDomain(
  context: Pick<Context, 'db' | 'config'>,
  project: Pick<ProjectRow, 'id'>,
  typed: string,
): Promise<DomainRow> {
  const row = await findDomainOf(context, typed);
  if (row === undefined || row.projectId !== project.id) throw notFound('domain', typed);
  return row;
}
