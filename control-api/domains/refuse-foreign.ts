import { and, inArray, ne } from 'drizzle-orm';
import { domainsOfHost } from '../../contracts/domain-names.ts';
import type { Database } from '../database/database.ts';
import { domains } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';

/**
 * A name that another project has, or that lies below a wildcard of another project: whoever has `*.example.com` does not
 * find that `login.example.com` became somebody else's.
 *
 * @throws Failure CONFLICT.
 */
export async function refuseForeignDomains(
  db: Database,
  project: Pick<ProjectRow, 'id'>,
  hosts: readonly string[],
): Promise<void> {
  const wanted = hosts.flatMap((host) => (host.startsWith('*.') ? [host] : domainsOfHost(host, undefined)));
  if (wanted.length === 0) return;
  const isForeign = and(inArray(domains.host, wanted), ne(domains.projectId, project.id));
  const [taken] = await db.select({ host: domains.host }).from(domains).where(isForeign).limit(1);
  if (taken !== undefined)
    throw new Failure('CONFLICT', `The domain ${taken.host} belongs to another project.`);
}
