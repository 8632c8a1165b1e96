import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { openCache, createMemoryServer } from '../../../../cache/open-cache.ts';
import type { Cache } from '../../../../cache/cache.ts';
import { defaultCacheConfig } from '../../../../cache/config.ts';
import type { Manifest } from '../../../../contracts/manifest.ts';
import { EdgeError, toEdgeError } from '../../../../core/errors.ts';
import { silentLogger } from '../../../../core/log.ts';
import { createRegistry } from '../../../../core/metrics.ts';
import { headerOf, type Answer, type Exchange } from '../../../../gateway/exchange.ts';
import type { FunctionCaller } from '../../../../gateway/functions/call-function.ts';
import { createTrustedProxies } from '../../../../gateway/functions/forwarded.ts';
import type { Upstream } from '../../../../gateway/functions/upstream.ts';
import { Flights } from '../../../../gateway/response-cache/collapse.ts';
import { COLLAPSE_LIMITS } from '../../../../gateway/response-cache/create-response-cache.ts';
import { HitForMiss } from '../../../../gateway/response-cache/hit-for-miss.ts';
import { KnownVary } from '../../../../gateway/response-cache/known-vary.ts';
import { MemoryTier } from '../../../../gateway/response-cache/memory-tier.ts';
import { ResponseStore } from '../../../../gateway/response-cache/response-store.ts';
import { createCachedFunctionCaller } from '../../../../gateway/response-cache/serve-function.ts';
import { sharedCacheOver } from '../../../../gateway/response-cache/shared-cache.ts';
import type { CompiledSite } from '../../../../gateway/site/compile-site.ts';
import type { FunctionReply } from '../../../../runner-client/runner-client.ts';
import { manualClock, type ManualClock } from '../../../support/manual-clock.ts';
import { sameTag, type Profile } from './rules.ts';
import { SIZE, textOf, toHeaders, type Content } from './content.ts';
import { SELECTING, type Failure, type Request, type Step } from './generate.ts';
import type { Outcome } from './reference.ts';

export const START_MS: number = Date.UTC(2026, 0, 15);

/** Two gateways with the real response cache, sharing one cache, in front of a function that answers as it is told. */
export type System = {
  clock: ManualClock;
  request(request: Request, failure: Failure): Promise<Outcome>;
  /** Begins a request of GET or HEAD whose calls read what they answer now, and answer when it is told to finish. */
  begin(request: Request): { isHeld: Promise<void>; finish: () => Promise<Outcome> };
  purge(step: Extract<Step, { kind: 'purge' }>): Promise<void>;
  close(): Promise<void>;
};

type Gateway = { cache: Cache; functions: FunctionCaller; flights: Flights };

export async function startModelSystem(
  sites: readonly { profile: Profile; contents: Content[] }[],
): Promise<System> {
  const clock = manualClock(START_MS);
  const memoryServer = createMemoryServer({ clock });
  const play: Play = { calls: [], failure: 'none', held: undefined };
  const upstream = playFunction(sites, clock, play);
  const open = async (): Promise<Gateway> => {
    const parts = { log: silentLogger(), registry: createRegistry(), clock, memoryServer, holdsLease: true };
    const cache = openCache(defaultCacheConfig({}), parts);
    await cache.connect();
    const flights = new Flights();
    return { cache, flights, functions: cachedCaller(cache, upstream, flights, clock) };
  };
  const gateways: [Gateway, Gateway] = [await open(), await open()];
  return {
    clock,
    request: async (request, mode) => {
      play.failure = mode;
      play.calls = [];
      const gateway = gateways[request.gateway];
      const outcome = await send(gateway, sites, request);
      if (play.held === undefined) await untilQuiet(gateway);
      return { ...outcome, calls: play.calls };
    },
    begin: (request) => {
      play.failure = 'none';
      const gateway = gateways[request.gateway];
      const held = holdCalls(sites);
      play.held = held;
      const state = { isDone: false };
      const outcome = send(gateway, sites, request).finally(() => (state.isDone = true));
      const isWaiting = (): boolean =>
        held.calls.length === 0 && !(state.isDone && gateway.flights.count === 0);
      return {
        isHeld: (async () => {
          while (isWaiting()) await nextTurn();
        })(),
        finish: async () => {
          held.letGo();
          const done = await outcome;
          await untilQuiet(gateway);
          play.held = undefined;
          return { ...done, calls: held.calls };
        },
      };
    },
    purge: async ({ gateway, tag, mode }) => {
      for (const index of sites.keys()) await gateways[gateway].cache.purgeTag(`project-${index}`, tag, mode);
    },
    close: async () => {
      for (const { cache } of gateways) await cache.close();
    },
  };
}

function cachedCaller(
  cache: Cache,
  upstream: Upstream,
  flights: Flights,
  clock: ManualClock,
): FunctionCaller {
  const shared = sharedCacheOver(cache);
  return createCachedFunctionCaller({
    direct: { call: (exchange, site, resource) => callDirectly(upstream, exchange, site, resource) },
    upstream,
    store: new ResponseStore(new MemoryTier({ maxBytes: 100_000_000 }), shared),
    shared,
    hitForMiss: new HitForMiss(),
    known: new KnownVary(),
    flights,
    clock,
    trustedProxies: createTrustedProxies([]),
    maxEntryBytes: 1_000_000,
    limits: COLLAPSE_LIMITS,
  });
}

/** What the function does at the moment, and the calls that it saw; those of a request that is held are its own. */
type Play = { calls: string[]; failure: Failure; held: HeldCalls | undefined };
type HeldCalls = { calls: string[]; contents: Content[][]; isLetGo: Promise<void>; letGo: () => void };

function holdCalls(sites: readonly { contents: Content[] }[]): HeldCalls {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    calls: [],
    contents: sites.map(({ contents }) => [...contents]),
    isLetGo: promise,
    letGo: resolve,
  };
}

async function untilQuiet({ flights }: Gateway): Promise<void> {
  while (flights.count > 0) await nextTurn();
  // Writes to the shared cache are not waited for by anyone.
  await nextTurn();
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function playFunction(sites: readonly { contents: Content[] }[], clock: ManualClock, play: Play): Upstream {
  return {
    prepare: async ({ method, headers, target }, site) => ({
      deploymentId: site.record.deploymentId,
      projectId: site.record.projectId,
      functionKey: 'all',
      requestId: '1',
      method,
      target: target.rawPath,
      headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
      body: null,
    }),
    fetch: async (call) => {
      const field = (name: string): string | undefined =>
        call.headers.find(([each]) => each.toLowerCase() === name)?.[1];
      const tag = field('if-none-match');
      const [range, ifRange] = [field('range'), field('if-range')];
      const held = call.method === 'POST' ? undefined : play.held;
      const selecting = SELECTING.flatMap((name) => (field(name) === undefined ? [] : [[name, field(name)]]));
      (held ?? play).calls.push(
        describeCall([tag ?? '-', range?.replace(/-$/, `-${SIZE - 1}`), ifRange], {
          isPlain: field('user-agent') === 'origan-edge',
          isAuthorized: field('authorization') !== undefined,
          ...Object.fromEntries(selecting),
        }),
      );
      await held?.isLetGo;
      if (play.failure === 'unreachable') throw new EdgeError('RUNNER_UNREACHABLE');
      if (play.failure === 'status-503') return replyWith(503, [], '');
      const site = Number(call.projectId.slice(-1));
      const content = (held?.contents[site] ?? sites[site]?.contents)?.[Number(call.target.slice(1))];
      if (content === undefined) throw new Error(`no content at ${call.target}`);
      const headers = toHeaders(content, clock.nowMs());
      const isSame = call.method !== 'POST' && isNotModified(content, tag, field('if-modified-since'));
      if (isSame) return replyWith(304, headers, '');
      const asked = call.method === 'GET' ? partOf(content, range, ifRange) : undefined;
      if (asked === undefined) return replyWith(content.status, headers, textOf(content));
      const { first, last } = asked;
      const contentRange: [string, string] = ['Content-Range', `bytes ${first}-${last}/${SIZE}`];
      return replyWith(206, [...headers, contentRange], textOf(content).slice(first, last + 1));
    },
    upgrade: () => Promise.reject(new Error('no upgrades here')),
  };
}

/** A call as both sides of the comparison write it: conditions, and what of the client it carries. */
export function describeCall(
  conditions: readonly (string | undefined)[],
  {
    isPlain,
    isAuthorized,
    ...selecting
  }: { isPlain: boolean; isAuthorized: boolean; [name: string]: string | boolean | undefined },
): string {
  const values = Object.entries(selecting).map(([name, value]) => `${name}=${value}`);
  const marks = [
    isPlain ? 'plain' : undefined,
    isAuthorized ? 'authorized' : undefined,
    ...values.toSorted(),
  ];
  return [...conditions, ...marks].filter((each) => each !== undefined).join(' ');
}

function partOf(
  { status, isRanged, fields }: Content,
  range: string | undefined,
  ifRange: string | undefined,
): { first: number; last: number } | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  if (first === undefined || status !== 200 || isRanged !== true) return undefined;
  if (ifRange !== undefined && (ifRange !== fields.etag || ifRange.startsWith('W/'))) return undefined;
  return { first: Number(first), last: last === '' ? SIZE - 1 : Number(last) };
}

async function callDirectly(
  upstream: Upstream,
  ...[exchange, site, resource]: Parameters<FunctionCaller['call']>
): Promise<Answer> {
  const call = await upstream.prepare(exchange, site, resource);
  const { status, headers, body } = await upstream.fetch(call, { signal: new AbortController().signal });
  return { status, headers: headers.flat(), body };
}

function isNotModified(
  { status, fields }: Content,
  tag: string | undefined,
  since: string | undefined,
): boolean {
  if (status !== 200) return false;
  if (tag !== undefined) return fields.etag !== undefined && sameTag(fields.etag, tag);
  return since !== undefined && fields.lastModified !== undefined && fields.lastModified <= Date.parse(since);
}

function replyWith(status: number, headers: FunctionReply['headers'], body: string): FunctionReply {
  return { status, headers, body: Readable.from(body === '' ? [] : [Buffer.from(body)]) };
}

async function send(
  { functions }: Gateway,
  sites: readonly { profile: Profile }[],
  request: Request,
): Promise<Omit<Outcome, 'calls'>> {
  const outgoing = Object.assign(new EventEmitter(), { destroyed: false, headersSent: false });
  try {
    const answer = await functions.call(exchangeOf(request, outgoing), siteOf(request.site, sites), {
      kind: 'dynamic',
      urlPath: '/*',
      resourcePath: 'all.js',
    });
    const body = await bodyOf(answer, request);
    const age = headerOf(answer.headers, 'age');
    return {
      status: answer.status,
      body: body === '' ? undefined : body,
      age: age === undefined ? undefined : Number(age),
    };
  } catch (error) {
    return { status: toEdgeError(error).status, body: undefined, age: undefined };
  } finally {
    outgoing.emit('close');
  }
}

async function bodyOf({ body }: Answer, request: Request): Promise<string> {
  const content = body === null ? '' : Buffer.isBuffer(body) ? body.toString() : await text(body);
  return request.method === 'HEAD' ? '' : content;
}

function exchangeOf(request: Request, outgoing: EventEmitter): Exchange {
  const headers = headersOf(request);
  const incoming = {
    headers,
    rawHeaders: Object.entries(headers).flat(),
    httpVersion: '1.1',
    httpVersionMinor: 1,
    socket: { remoteAddress: '127.0.0.1' },
  };
  return {
    id: '1',
    method: request.method,
    headers,
    target: {
      host: 'site.test',
      path: `/${request.url}`,
      rawPath: `/${request.url}`,
      search: '',
    },
    incoming: incoming as unknown as IncomingMessage,
    outgoing: outgoing as unknown as ServerResponse,
    isUpgrade: false,
    event: {} as Exchange['event'],
  };
}

function headersOf({ selecting, isAuthorized, directives, ...request }: Request): IncomingHttpHeaders {
  const { ifNoneMatch, range, ifRange } = request;
  const headers: IncomingHttpHeaders = { host: 'site.test', ...selecting };
  if (isAuthorized) headers.authorization = 'Bearer x';
  if (ifNoneMatch !== undefined) headers['if-none-match'] = ifNoneMatch;
  if (range !== undefined) headers.range = `bytes=${range.first}-${range.last}`;
  if (ifRange !== undefined) headers['if-range'] = ifRange;
  const said = [
    directives.noCache && 'no-cache',
    directives.noStore && 'no-store',
    directives.onlyIfCached && 'only-if-cached',
    directives.maxAge !== undefined && `max-age=${directives.maxAge}`,
    directives.minFresh !== undefined && `min-fresh=${directives.minFresh}`,
    directives.maxStale !== undefined && `max-stale=${directives.maxStale}`,
  ].filter((directive) => typeof directive === 'string');
  if (said.length > 0) headers['cache-control'] = said.join(', ');
  return headers;
}

function siteOf(index: number, sites: readonly { profile: Profile }[]): CompiledSite {
  const config: Manifest = { version: 1, resources: [], cache: { profile: sites[index]?.profile } };
  const record = { deploymentId: `deployment-${index}`, projectId: `project-${index}`, config };
  return { record } as unknown as CompiledSite;
}
