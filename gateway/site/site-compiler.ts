import { LRUCache } from 'lru-cache';
import type { SiteRecord } from '../../contracts/site.ts';
import { compileSite, type CompiledSite } from './compile-site.ts';

export type SiteCompiler = (record: SiteRecord, isPreview: boolean) => CompiledSite;

export type SiteCompilerOptions = {
  /** Resources of all the sites that are kept compiled. */
  maxResources?: number;
  /** Told of each build that is compiled, while a request waits: to be quick. */
  onNewBuild?: (record: SiteRecord) => void;
};

// A compiled resource costs about 2 KiB with the headers kept ready for it.
const MAX_COMPILED_RESOURCES = 100_000;
const COST_OF_A_SITE = 10;

/**
 * Compiles each build once for the public and once for preview hosts: found by the identity of the record's near
 * copy, else by the deployment, which never changes. Bounded by the number of resources.
 */
export function createSiteCompiler({
  maxResources = MAX_COMPILED_RESOURCES,
  onNewBuild,
}: SiteCompilerOptions = {}): SiteCompiler {
  const byRecord = {
    public: new WeakMap<SiteRecord, CompiledSite>(),
    preview: new WeakMap<SiteRecord, CompiledSite>(),
  };
  const byDeployment = new LRUCache<string, CompiledSite>({
    maxSize: maxResources,
    sizeCalculation: ({ record }) => record.config.resources.length + COST_OF_A_SITE,
  });
  return (record, isPreview) => {
    const known = byRecord[isPreview ? 'preview' : 'public'];
    const exact = known.get(record);
    if (exact !== undefined) return exact;
    const key = `${record.deploymentId} ${isPreview ? 'preview' : 'public'}`;
    const sibling = byDeployment.get(key);
    // An empty manifest may be one that is not there yet: it is not taken for the deployment's own.
    const isUsable =
      sibling !== undefined && sibling.record.config.resources.length === record.config.resources.length;
    const site = isUsable ? sibling : compileSite(record, isPreview);
    if (!isUsable) onNewBuild?.(record);
    known.set(record, site);
    byDeployment.set(key, site);
    return site;
  };
}
