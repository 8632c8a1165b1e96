import { LRUCache } from 'lru-cache';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import type { Resolved } from '../../cache/lookup.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { EdgeError } from '../../core/errors.ts';
import { withoutPort } from '../../core/host.ts';
import type { Exchange } from '../exchange.ts';
import { compileSite, type CompiledSite } from './compile-site.ts';
import type { ControlApiClient } from './control-api-client.ts';

const MAX_COMPILED_SITES = 1000;

export type SiteResolver = {
  /** The site without asking anyone, if it may be used right now: for the hot path. */
  peek(host: string): CompiledSite | undefined;
  /** The site that the request's host shows. @throws EdgeError UNKNOWN_HOST or CONTROL_API_FAILED. */
  resolve(exchange: Exchange): Promise<CompiledSite>;
};

/** Domain -> build: near copy, shared cache, control API; each build compiled once. */
export function createSiteResolver(cache: Cache, controlApi: ControlApiClient): SiteResolver {
  const compile = createCompiler();
  const lookUp = (host: string, signal?: AbortSignal): Promise<Resolved<SiteRecord>> =>
    cache.getWithFallback(keys.domain(host), (deadline) => controlApi.lookUpDomain(host, deadline), {
      signal,
    });
  return {
    peek: (host) => {
      const record = cache.peek(keys.domain(host)) ?? cache.peek(keys.domain(withoutPort(host)));
      return record === undefined ? undefined : compile(record);
    },
    resolve: async ({ target, event }) => {
      const found = await firstFound(target.host, lookUp);
      event.mapping = found.isStale ? 'stale' : found.source;
      const site = compile(found.value);
      event.deploymentId = site.record.deploymentId;
      event.projectId = site.record.projectId;
      return site;
    },
  };
}

type Found = Extract<Resolved<SiteRecord>, { kind: 'found' }>;

/** `host:port` as sent first (development), then the host alone. */
async function firstFound(
  host: string,
  lookUp: (host: string) => Promise<Resolved<SiteRecord>>,
): Promise<Found> {
  const asSent = await lookUp(host);
  const bare = withoutPort(host);
  const answer = asSent.kind === 'found' || bare === host ? asSent : await lookUp(bare);
  if (answer.kind === 'found') return answer;
  // One of two look-ups failed: the host may well be known.
  const failed = [answer, asSent].find((each) => each.kind === 'failed');
  if (failed !== undefined) throw failed.cause;
  throw new EdgeError('UNKNOWN_HOST');
}

/** Compiles a record once: by the identity of the near copy, else by the deployment, which never changes. */
function createCompiler(): (record: SiteRecord) => CompiledSite {
  const byRecord = new WeakMap<SiteRecord, CompiledSite>();
  const byDeployment = new LRUCache<string, CompiledSite>({ max: MAX_COMPILED_SITES });
  return (record) => {
    const known = byRecord.get(record) ?? byDeployment.get(record.deploymentId);
    // An empty manifest may be one that is not there yet: it is not taken for the deployment's own.
    const isUsable =
      known !== undefined && known.record.config.resources.length === record.config.resources.length;
    const site = isUsable ? known : compileSite(record);
    byRecord.set(record, site);
    byDeployment.set(record.deploymentId, site);
    return site;
  };
}
