import type { Cache } from '../cache/cache.ts';
import { keys } from '../cache/keys.ts';
import { deploymentTag } from '../cache/tags.ts';
import { tagOfUrl } from '../cache/url-tag.ts';
import { domainsOfHost } from '../contracts/domain-names.ts';
import type { ExplainedRoute, Explanation } from '../contracts/explanation.ts';
import type { HeaderRule } from '../contracts/manifest.ts';
import { resourceKey } from '../contracts/object-keys.ts';
import { isExactPattern, matchPattern } from '../contracts/path-pattern.ts';
import { EdgeError } from '../core/errors.ts';
import { normalizeHost } from '../core/host.ts';
import { decodePath } from './decode-path.ts';
import type { Edge } from './edge.ts';
import type { Target } from './read-target.ts';
import { primaryKey } from './response-cache/cache-key.ts';
import type { CompiledFile, CompiledSite } from './site/compile-site.ts';
import { matchRoute, type FunctionRoute, type RouteMatch } from './site/match-route.ts';
import type { Origin } from './site/redirects.ts';

export type ExplainOptions = {
  edge: Pick<Edge, 'sites' | 'recorder'>;
  cache: Cache;
  deployDomain: string | undefined;
};

// As a browser's address bar asks, but for what tells a navigation from a script: the path's extension decides.
const HEADERS = { accept: 'text/html,*/*;q=0.8' };

/**
 * Takes a URL through the steps that decide how it is answered, and answers what they decided, without fetching a byte
 * or calling a function.
 *
 * @throws EdgeError as the request would: BAD_HOST, BAD_PATH, UNKNOWN_HOST, CONTROL_API_FAILED.
 */
export async function explain(options: ExplainOptions, url: string, method: string): Promise<Explanation> {
  const { proto, target } = readUrl(url);
  const event = options.edge.recorder.begin();
  const site = await options.edge.sites.resolve({ target, event });
  const { projectId, deploymentId, rev, config } = site.record;
  const { key, ageMs } = await findEntry(options, target.host);
  const origin = (): Origin => ({ proto, host: target.host });
  const found = matchRoute(site, { ...target, method, headers: HEADERS, origin });
  const redirects = (config.redirects ?? []).filter(
    ({ from }) => matchPattern(from, target.path) !== undefined,
  );
  return {
    url,
    method,
    host: target.host,
    path: target.path,
    mapping: { key, source: event.mapping ?? null, ageMs, rev: rev ?? null },
    projectId,
    deploymentId,
    isPreview: site.isPreview,
    route: explainRoute(site, found, { proto, target }),
    redirects: redirects.toSorted((a, b) => Number(isExactPattern(b.from)) - Number(isExactPattern(a.from))),
    headers:
      found.kind === 'function' && config.headersOnFunctions !== true
        ? []
        : matchingHeaders(site, target.path),
  };
}

function matchingHeaders({ record }: CompiledSite, path: string): HeaderRule[] {
  return (record.config.headers ?? []).filter((rule) => matchPattern(rule.for, path) !== undefined);
}

type Asked = { proto: string; target: Target };

function readUrl(text: string): Asked {
  const match = /^(https?):\/\/([^/?#]+)([^?#]*)(\?[^#]*)?/i.exec(text);
  const host = normalizeHost(match?.[2] ?? '');
  if (match === null || host === undefined) {
    throw new EdgeError('BAD_HOST', {
      detail: 'The address must begin with http:// or https:// and a host.',
    });
  }
  const path = match[3] === undefined || match[3] === '' ? '/' : match[3];
  return {
    proto: (match[1] ?? '').toLowerCase(),
    target: { host, ...decodePath(path), search: match[4] ?? '' },
  };
}

/** The key under which the host is in the cache at this moment, and how old the entry is. */
async function findEntry(
  { cache, deployDomain }: ExplainOptions,
  host: string,
): Promise<{ key: string | null; ageMs: number | null }> {
  for (const candidate of domainsOfHost(host, deployDomain)) {
    const key = keys.domain(candidate);
    const found = await cache.get(key);
    if (found.kind === 'hit') return { key: key.name, ageMs: found.ageMs };
  }
  return { key: null, ageMs: null };
}

function explainRoute(site: CompiledSite, found: RouteMatch, asked: Asked): ExplainedRoute {
  switch (found.kind) {
    case 'file':
      return explainFile(found.file, found);
    case 'function':
      return explainFunction(site, found, asked);
    case 'redirect':
      return { kind: 'redirect', status: found.status, location: found.location };
    case 'options':
    case 'wrong-method':
      return { kind: found.kind, allow: found.allow };
    case 'not-found':
      return { kind: 'not-found' };
    default:
      return found satisfies never;
  }
}

function explainFile(
  file: CompiledFile,
  { status, isFallback }: { status: 200 | 404; isFallback: boolean },
): ExplainedRoute {
  const { resource, objectKey, contentType, isImmutable, encoded } = file;
  const forms = encoded.kind === 'stored' ? [...encoded.forms] : [];
  return {
    kind: 'file',
    status,
    isFallback,
    urlPath: resource.urlPath,
    objectKey,
    hash: resource.hash ?? null,
    size: resource.size ?? null,
    contentType,
    isImmutable,
    encodings: forms.map(([coding, { size }]) => ({ coding, size })),
  };
}

function explainFunction(
  { record }: CompiledSite,
  { resource, rewritten }: FunctionRoute,
  { proto, target }: Asked,
): ExplainedRoute {
  const { rawPath, search } = { ...target, ...rewritten };
  const parts = {
    deploymentId: record.deploymentId,
    proto,
    host: `${target.host} ${target.host}`,
    rawPath,
    search,
  };
  const { profile = 'safe', ignoreQuery = [] } = record.config.cache ?? {};
  return {
    kind: 'function',
    urlPath: resource.urlPath,
    objectKey: resourceKey(record, resource) ?? '',
    hash: resource.hash ?? null,
    methods: resource.methods ?? null,
    rewrittenTo: rewritten === undefined ? null : rawPath + search,
    cacheKey: primaryKey(parts, ignoreQuery),
    profile,
    tags: [deploymentTag(record.deploymentId), tagOfUrl(target.host, rawPath, search, ignoreQuery)],
  };
}
