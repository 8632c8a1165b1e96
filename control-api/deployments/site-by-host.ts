import { eq } from 'drizzle-orm';
import { LRUCache } from 'lru-cache';
import { normalizeDomain } from '../../contracts/domain-names.ts';
import type { Manifest } from '../../contracts/manifest.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import type { Database } from '../database/database.ts';
import { deployments, domains } from '../database/schema.ts';

const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

export type VersionedSite = SiteRecord & { rev: number };

/** Which deployment a host shows, from the database: this is where every cache's answer comes from. */
export type SiteReader = {
  /** Undefined when the host is unknown or shows nothing yet. */
  read(host: string): Promise<VersionedSite | undefined>;
  /** The manifest of a deployment that is complete. */
  manifest(deploymentId: string): Promise<Manifest | undefined>;
};

/** Manifests never change once their deployment is complete, so they are remembered; mappings are asked for each time. */
export function createSiteReader(db: Database): SiteReader {
  const manifests = new LRUCache<string, Manifest>({
    maxSize: MAX_MANIFEST_BYTES,
    sizeCalculation: (manifest) => 200 + manifest.resources.length * 300,
  });
  const manifest = async (deploymentId: string): Promise<Manifest | undefined> => {
    const known = manifests.get(deploymentId);
    if (known !== undefined) return known;
    const [row] = await db
      .select({ config: deployments.config, status: deployments.status })
      .from(deployments)
      .where(eq(deployments.id, deploymentId));
    if (row?.status === 'success') manifests.set(deploymentId, row.config);
    return row?.config;
  };
  return { manifest, read: (host) => readSite(db, manifest, host) };
}

async function readSite(
  db: Database,
  manifest: SiteReader['manifest'],
  host: string,
): Promise<VersionedSite | undefined> {
  const name = normalizeDomain(host);
  if (name === undefined) return undefined;
  const [row] = await db
    .select({ deploymentId: domains.deploymentId, projectId: domains.projectId, rev: domains.rev })
    .from(domains)
    .where(eq(domains.host, name));
  if (row === undefined || row.deploymentId === null) return undefined;
  const config = await manifest(row.deploymentId);
  // Deleted between the two queries: the mapping went with it.
  if (config === undefined) return undefined;
  // The order of the fields is that of the answers that gateways have always got.
  return { config, deploymentId: row.deploymentId, projectId: row.projectId, rev: row.rev };
}
