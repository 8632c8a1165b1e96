import { MAX_DYNAMIC_REDIRECTS } from '../../contracts/check-redirects.ts';
import type { RedirectRule } from '../../contracts/manifest.ts';
import { fillTarget, isExactPattern, matchPattern } from '../../contracts/path-pattern.ts';
import { normalizeHost } from '../../core/host.ts';
import { splitPath } from './pattern-tree.ts';

/** A request in the parts that redirects look at. `rawPath` has as many segments as `path`. */
export type RedirectRequest = {
  path: string;
  rawPath: string;
  search: string;
  /** Scheme and host of the URL that the client asked for, where they are known; worked out only when they matter. */
  origin?: () => Origin;
};

export type Origin = { proto: string; host: string };

export type RedirectMatch =
  | { kind: 'redirect'; status: RedirectRule['status']; location: string }
  /** Internal: answered as if this had been asked for. */
  | { kind: 'rewrite'; rawPath: string; search: string; isWildcard: boolean };

export type Redirects = {
  /** Rules marked with `!`: they apply even where a file exists. */
  forced(request: RedirectRequest): RedirectMatch | undefined;
  unforced(request: RedirectRequest): RedirectMatch | undefined;
  /** Whether a forced rule could apply at the path, whatever the query. */
  mayForce(path: string): boolean;
};

type Finder = (request: RedirectRequest) => RedirectMatch | undefined;

/** Exact sources in a map, the few patterns in a list: first match wins. */
export function compileRedirects(rules: readonly RedirectRule[]): Redirects {
  const usable = rules.filter(isUsable);
  const forced = usable.filter((rule) => rule.force === true);
  return {
    forced: createFinder(forced),
    mayForce: (path) => forced.some((rule) => matchPattern(rule.from, path) !== undefined),
    unforced: createFinder(usable.filter((rule) => rule.force !== true)),
  };
}

/** Rules are checked at deploy; a manifest from elsewhere must still not be able to break an answer. */
function isUsable({ from, to, status }: RedirectRule): boolean {
  if (/[\s\\]/.test(to) || /[^\x20-\x7e\x80-\u{10FFFF}]/u.test(to) || to.startsWith('//')) return false;
  if (to.startsWith('/')) return true;
  // A rewrite stays within the site.
  return status !== 200 && /^https?:\/\/[^/?#]/i.test(to) && from.startsWith('/');
}

function createFinder(rules: readonly RedirectRule[]): Finder {
  if (rules.length === 0) return () => undefined;
  const exact = new Map<string, RedirectRule>();
  const dynamic: RedirectRule[] = [];
  for (const rule of rules) {
    // Each of them is tried in turn: a manifest from elsewhere must not make that a long way.
    if (!isExactPattern(rule.from)) {
      if (dynamic.length < MAX_DYNAMIC_REDIRECTS) dynamic.push(rule);
    } else if (!exact.has(rule.from)) exact.set(rule.from, rule);
  }
  return (request) => {
    const literal = exact.get(request.path);
    const match = literal === undefined ? undefined : apply(literal, request);
    return match ?? firstDynamic(dynamic, request);
  };
}

function firstDynamic(rules: readonly RedirectRule[], request: RedirectRequest): RedirectMatch | undefined {
  for (const rule of rules) {
    if (matchPattern(rule.from, request.path) === undefined) continue;
    const match = apply(rule, request);
    if (match !== undefined) return match;
  }
  return undefined;
}

/** Undefined where the rule would lead to the very URL that was asked for. */
function apply(rule: RedirectRule, request: RedirectRequest): RedirectMatch | undefined {
  const target = encodeTarget(fill(rule, request.rawPath));
  const [beforeFragment, fragment] = splitOnce(target, '#');
  const [path, query] = splitOnce(beforeFragment, '?');
  const search = query === undefined ? request.search : `?${query}`;
  if (rule.status === 200) {
    return { kind: 'rewrite', rawPath: path, search, isWildcard: rule.from.endsWith('*') };
  }
  if (search === request.search && isAskedFor(path, request)) return undefined;
  const location = singleSlash(path) + search + (fragment === undefined ? '' : `#${fragment}`);
  return { kind: 'redirect', status: rule.status, location };
}

/** Whether a target is what was asked for: a path, or a whole URL, such as a rule to the one host of a site has for that host too. */
function isAskedFor(target: string, { rawPath, origin }: RedirectRequest): boolean {
  if (target === rawPath) return true;
  const [, proto = '', authority = '', path = ''] = /^(https?):\/\/([^/]+)(.*)$/i.exec(target) ?? [];
  if (authority === '' || origin === undefined || (path === '' ? '/' : path) !== rawPath) return false;
  const own = origin();
  return proto.toLowerCase() === own.proto && normalizeHost(authority) === own.host;
}

/** The target with the path's own segments, still encoded as they came, in place of the parameters. */
function fill(rule: RedirectRule, rawPath: string): string {
  const given = splitPath(rawPath);
  const values: Record<string, string> = {};
  for (const [index, segment] of splitPath(rule.from).entries()) {
    if (segment === '*') values['splat'] = given.slice(index).join('/');
    else if (segment.startsWith(':')) values[segment.slice(1)] = given[index] ?? '';
  }
  const [path, query] = splitOnce(rule.to, '?');
  if (query === undefined) return fillTarget(path, values);
  const inQuery = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, forQuery(value)]));
  // fillTarget leaves the origin of a URL alone: a query must not look like one.
  return `${fillTarget(path, values)}?${fillTarget(`/${query}`, inQuery).slice(1)}`;
}

/** What separates in a query must not come out of a path's segment. */
function forQuery(value: string): string {
  return value.replaceAll(/[&=+;#?]/g, encodeURIComponent);
}

/** A Location is a URI reference (RFC 9110 section 10.2.2): ASCII, escapes that are there already left alone. */
export function encodeTarget(target: string): string {
  return target.replaceAll(/[^\x21-\x7e]+|["<>\\^`{|}]/gu, (text) => encodeURIComponent(text.toWellFormed()));
}

/** A Location that begins with two slashes names another host. */
function singleSlash(path: string): string {
  return path.startsWith('//') ? path.replace(/^\/+/, '/') : path;
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
