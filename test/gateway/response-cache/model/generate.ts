import { SIZE, type Content, type Directives, type Fields } from './content.ts';
import type { Random } from './random.ts';

export const URLS = 3;
export const TAGS: readonly string[] = ['red', 'green', 'blue'];
export const SELECTING: readonly string[] = ['x-a', 'x-b'];

/** A request as the reference sees it. */
export type Request = {
  gateway: 0 | 1;
  site: 0 | 1;
  url: number;
  method: 'GET' | 'HEAD' | 'POST';
  /** Values of the headers that responses may vary on. */
  selecting: Readonly<Record<string, string>>;
  isAuthorized: boolean;
  directives: RequestDirectives;
  ifNoneMatch?: string;
  /** First and last byte that GET asks for. */
  range?: { first: number; last: number };
  ifRange?: string;
};

export type RequestDirectives = {
  noCache?: true;
  noStore?: true;
  onlyIfCached?: true;
  maxAge?: number;
  minFresh?: number;
  maxStale?: number;
};

export type Failure = 'none' | 'unreachable' | 'status-503';

export type Step =
  | { kind: 'request'; request: Request; failure: Failure }
  /** A request whose calls are answered only after an unsafe one has come and gone, through the other gateway or the same. */
  | { kind: 'overtaken'; request: Request; change: Request; content: Content }
  | { kind: 'wait'; seconds: number }
  | { kind: 'publish'; site: 0 | 1; url: number; content: Content }
  /** The same body and validators under other headers. */
  | { kind: 'retouch'; site: 0 | 1; url: number; fields: Fields }
  | { kind: 'purge'; gateway: 0 | 1; tag: string; mode: 'soft' | 'hard' };

const STATUSES: readonly number[] = [200, 200, 200, 200, 200, 200, 404, 301, 201, 500, 503, 599, 206];

export function nextStep(random: Random, nextVersion: () => number, nowMs: number): Step {
  const roll = random.int(100);
  if (roll < 3) return makeOvertaken(random, nextVersion(), nowMs);
  if (roll < 76) {
    return { kind: 'request', request: makeRequest(random), failure: makeFailure(random) };
  }
  if (roll < 84) return { kind: 'wait', seconds: random.pick([1, 2, 5, 10, 30, 60, 100, 200]) };
  const site = random.int(2) as 0 | 1;
  const url = random.int(URLS);
  if (roll < 94) return { kind: 'publish', site, url, content: makeContent(random, nextVersion(), nowMs) };
  if (roll < 98) return { kind: 'retouch', site, url, fields: makeUnvalidated(random) };
  return {
    kind: 'purge',
    gateway: random.int(2) as 0 | 1,
    tag: random.pick(TAGS),
    mode: random.pick(['soft', 'hard']),
  };
}

function makeOvertaken(random: Random, version: number, nowMs: number): Step {
  const request = plain(makeRequest(random));
  if (request.method === 'POST') request.method = 'GET';
  const { site, url } = request;
  const change: Request = { ...plain(makeRequest(random)), method: 'POST', site, url };
  return { kind: 'overtaken', request, change, content: makeContent(random, version, nowMs) };
}

function plain({ ifNoneMatch: _tag, range: _range, ifRange: _ifRange, ...request }: Request): Request {
  return request;
}

function makeRequest(random: Random): Request {
  const selecting: Record<string, string> = {};
  for (const name of SELECTING) if (random.chance(0.25)) selecting[name] = String(random.int(2));
  const request: Request = {
    gateway: random.int(2) as 0 | 1,
    site: random.int(2) as 0 | 1,
    url: random.int(URLS),
    method: random.chance(0.9) ? 'GET' : random.pick(['HEAD', 'POST']),
    selecting,
    isAuthorized: random.chance(0.08),
    directives: random.chance(0.25) ? makeRequestDirectives(random) : {},
  };
  if (random.chance(0.08)) request.ifNoneMatch = `"v${random.int(40)}"`;
  if (request.method === 'GET' && random.chance(0.25)) {
    const first = random.int(SIZE);
    request.range = { first, last: first + random.int(SIZE - first) };
    if (random.chance(0.1)) request.ifRange = `"v${random.int(40)}"`;
  }
  return request;
}

function makeRequestDirectives(random: Random): RequestDirectives {
  const directives: RequestDirectives = {};
  if (random.chance(0.2)) directives.noCache = true;
  if (random.chance(0.15)) directives.noStore = true;
  if (random.chance(0.15)) directives.onlyIfCached = true;
  if (random.chance(0.3)) directives.maxAge = random.pick([0, 5, 20, 60]);
  if (random.chance(0.3)) directives.minFresh = random.pick([1, 10, 30]);
  if (random.chance(0.3)) directives.maxStale = random.pick([5, 30, 300]);
  return directives;
}

function makeFailure(random: Random): Failure {
  if (random.chance(0.85)) return 'none';
  return random.pick(['unreachable', 'status-503']);
}

function makeContent(random: Random, version: number, nowMs: number): Content {
  const content: Content = { version, status: random.pick(STATUSES), fields: makeUnvalidated(random) };
  if (random.chance(0.5)) content.fields.etag = random.pick([`"v${version % 40}"`, `W/"v${version % 40}"`]);
  if (random.chance(0.3)) {
    content.fields.lastModified = Math.floor(nowMs / 1000) * 1000 - random.pick([10, 100, 1000]) * 1000;
  }
  if (random.chance(0.7)) content.isRanged = true;
  if (random.chance(0.2)) content.age = random.pick([0, 5, 40]);
  if (random.chance(0.9)) content.clockOff = random.chance(0.85) ? 0 : random.pick([-60, -5, 7, 50]);
  return content;
}

function makeUnvalidated(random: Random): Fields {
  const fields: Fields = {};
  if (random.chance(0.8)) fields.cacheControl = makeDirectives(random);
  if (random.chance(0.15)) fields.targeted = random.chance(0.25) ? 'broken' : makeDirectives(random);
  if (random.chance(0.2)) fields.expires = random.chance(0.2) ? 'zero' : random.pick([-5, 0, 10, 60]);
  if (random.chance(0.35)) fields.vary = makeVary(random);
  if (random.chance(0.3)) fields.tags = TAGS.filter(() => random.chance(0.5));
  if (fields.tags?.length === 0) delete fields.tags;
  if (random.chance(0.1)) fields.setCookie = true;
  return fields;
}

function makeVary(random: Random): readonly string[] | '*' {
  return random.pick<readonly string[] | '*'>([['x-a'], ['x-b'], ['x-a', 'x-b'], ['x-a'], '*']);
}

function makeDirectives(random: Random): Directives {
  const directives: Directives = {};
  if (random.chance(0.75)) directives.maxAge = random.pick([0, 1, 20, 60, 300, 1000]);
  if (random.chance(0.25)) directives.sMaxage = random.pick([0, 30, 120, 600]);
  if (random.chance(0.06)) directives.noStore = true;
  if (random.chance(0.08)) directives.noCache = true;
  if (random.chance(0.05)) directives.private = true;
  if (random.chance(0.15)) directives.public = true;
  if (random.chance(0.12)) directives.mustRevalidate = true;
  if (random.chance(0.06)) directives.proxyRevalidate = true;
  if (random.chance(0.05)) directives.mustUnderstand = true;
  if (random.chance(0.2)) directives.swr = random.pick([5, 30, 100]);
  if (random.chance(0.2)) directives.sie = random.pick([5, 30, 100]);
  return directives;
}
