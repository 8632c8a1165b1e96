import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import type { Resolved } from '../../cache/lookup.ts';
import { domainsOfHost } from '../../contracts/domain-names.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { EdgeError } from '../../core/errors.ts';
import type { Exchange } from '../exchange.ts';
import type { CompiledSite } from './compile-site.ts';
import type { ControlApiClient } from './control-api-client.ts';
import { isPreviewHost } from './preview-host.ts';
import { createSiteCompiler, type SiteCompiler } from './site-compiler.ts';

export type SiteResolver = {
  /** The site without asking anyone, if it may be used right now: for the hot path. `host` is normalised. */
  peek(host: string): CompiledSite | undefined;
  /** The site that the request's host shows. @throws EdgeError UNKNOWN_HOST or CONTROL_API_FAILED. */
  resolve(exchange: Pick<Exchange, 'target' | 'event'>): Promise<CompiledSite>;
};

export type SiteResolverOptions = {
  /** Domain below which projects get their hosts, normalised: tells preview hosts from others. */
  deployDomain?: string | undefined;
  compile?: SiteCompiler | undefined;
};

/** Domain -> build: near copy, shared cache, control API; each build compiled once. */
export function createSiteResolver(
  cache: Pick<Cache, 'peek' | 'getWithFallback'>,
  controlApi: Pick<ControlApiClient, 'lookUpDomain'>,
  options: SiteResolverOptions = {},
): SiteResolver {
  const { deployDomain, compile = createSiteCompiler() } = options;
  const lookUp = (host: string): Promise<Resolved<SiteRecord>> =>
    cache.getWithFallback(keys.domain(host), (deadline) => controlApi.lookUpDomain(host, deadline));
  return {
    // Only under the very host that was sent: what `host` without its port shows counts only once it is sure that
    // nothing is deployed at `host:port`, which takes a look-up.
    peek: (host) => {
      const record = cache.peek(keys.domain(host));
      return record === undefined ? undefined : compile(record, isPreviewHost(host, deployDomain));
    },
    resolve: async ({ target, event }) => {
      const found = await firstFound(domainsOfHost(target.host, deployDomain), lookUp);
      // A value that somebody is refreshing this moment is no reason to warn; one that nobody could confirm is.
      event.mapping = found.isLastKnownGood ? 'last-known-good' : found.source;
      const site = compile(found.value, isPreviewHost(target.host, deployDomain));
      event.deploymentId = site.record.deploymentId;
      event.projectId = site.record.projectId;
      return site;
    },
  };
}

type Found = Extract<Resolved<SiteRecord>, { kind: 'found' }>;

async function firstFound(
  hosts: readonly string[],
  lookUp: (host: string) => Promise<Resolved<SiteRecord>>,
): Promise<Found> {
  let failure: EdgeError | undefined;
  for (const host of hosts) {
    const answer = await lookUp(host);
    if (answer.kind === 'found') return answer;
    if (answer.kind === 'failed') failure ??= answer.cause;
  }
  // One of the look-ups failed: the host may well be known.
  if (failure !== undefined) throw failure;
  throw new EdgeError('UNKNOWN_HOST');
}
