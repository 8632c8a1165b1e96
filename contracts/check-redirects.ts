import { compilePaths, type PathEntry } from './clean-urls.ts';
import type { Manifest, RedirectRule } from './manifest.ts';
import {
  coversPattern,
  decodePattern,
  fillTarget,
  isExactPattern,
  matchPattern,
  parameterNames,
  targetPlaceholders,
  whyBadPattern,
} from './path-pattern.ts';

export const MAX_EXACT_REDIRECTS = 2000;
export const MAX_DYNAMIC_REDIRECTS = 100;

export type RedirectFindings = {
  /** The rules cannot be used. */
  errors: string[];
  /** The rules work, but hardly as they were meant. */
  warnings: string[];
};

/**
 * What is wrong with the redirects of a manifest: too many, malformed, duplicates, loops (errors); rules that can
 * never apply (warnings). Used where rules are written, so that the edge only ever meets sound ones.
 */
export function checkRedirects(
  manifest: Pick<Manifest, 'resources' | 'redirects' | 'html'>,
): RedirectFindings {
  const rules = manifest.redirects ?? [];
  const malformed = rules.flatMap((rule) =>
    whyMalformed(rule).map((problem) => `${shown(rule)}: ${problem}`),
  );
  const errors = [...malformed, ...tooMany(rules)];
  if (errors.length > 0) return { errors, warnings: [] };
  const served = servedPaths(manifest);
  const findings: RedirectFindings = { errors: duplicates(rules), warnings: shadowed(rules, served) };
  const finder = createHopFinder(rules, served);
  for (const rule of rules) {
    const loop = findLoop(rule, finder);
    if (loop !== undefined) findings.errors.push(`${shown(rule)}: loops (${loop.join(' -> ')})`);
  }
  return findings;
}

function whyMalformed(rule: RedirectRule): string[] {
  const pattern = whyBadPattern(rule.from);
  if (pattern !== undefined) return [`its source ${pattern}`];
  const target = whyBadTarget(rule);
  const known = parameterNames(rule.from);
  const unknown = targetPlaceholders(rule.to).filter((name) => !known.has(name));
  return [
    ...(target === undefined ? [] : [`its target ${target}`]),
    ...unknown.map((name) => `:${name} is not in its source`),
  ];
}

function whyBadTarget({ to, status }: RedirectRule): string | undefined {
  if (/[\s\\]/.test(to)) return 'contains white space or a backslash';
  // A Location that begins with two slashes leaves the site for a host that the path names.
  if (to.startsWith('//')) return 'must not begin with two slashes';
  if (to.startsWith('/')) return undefined;
  if (!/^https?:\/\/[^/?#:]/i.test(to) || URL.parse(to) === null) return 'must be a path or an http(s) URL';
  return status === 200 ? 'must be a path: a rewrite stays within the site' : undefined;
}

function tooMany(rules: readonly RedirectRule[]): string[] {
  const exact = rules.filter((rule) => isExactPattern(rule.from)).length;
  const dynamic = rules.length - exact;
  return [
    ...(exact > MAX_EXACT_REDIRECTS
      ? [`${exact} exact redirects; at most ${MAX_EXACT_REDIRECTS} are allowed`]
      : []),
    ...(dynamic > MAX_DYNAMIC_REDIRECTS
      ? [`${dynamic} redirects with * or :name; at most ${MAX_DYNAMIC_REDIRECTS} are allowed`]
      : []),
  ];
}

function duplicates(rules: readonly RedirectRule[]): string[] {
  const seen = new Map<string, RedirectRule>();
  const problems: string[] = [];
  for (const rule of rules) {
    // Names of parameters make no difference to what a pattern matches.
    const key = rule.from.replaceAll(/\/:[^/]+/g, '/:');
    const first = seen.get(key);
    if (first === undefined) seen.set(key, rule);
    else problems.push(`${shown(rule)}: has the same source as ${shown(first)}`);
  }
  return problems;
}

function shadowed(rules: readonly RedirectRule[], served: ServedPaths): string[] {
  const warnings: string[] = [];
  const earlier: RedirectRule[] = [];
  for (const rule of rules) {
    const isExact = isExactPattern(rule.from);
    if (isExact && rule.force !== true && served.has(rule.from)) {
      warnings.push(
        `${shown(rule)}: never applies, a file is at its source (a ! after the status forces it)`,
      );
    }
    // Exact sources are looked up before patterns, forced rules before the others.
    const above = isExact ? undefined : earlier.find((other) => shadows(other, rule));
    if (above !== undefined) warnings.push(`${shown(rule)}: never applies, ${shown(above)} comes first`);
    if (!isExact) earlier.push(rule);
  }
  return warnings;
}

function shadows(above: RedirectRule, below: RedirectRule): boolean {
  return (above.force === true || below.force !== true) && coversPattern(above.from, below.from);
}

/** The path that a request for a path is sent on to; undefined where it is answered, or not by this site. */
type HopFinder = (path: string) => string | undefined;

function createHopFinder(rules: readonly RedirectRule[], served: ServedPaths): HopFinder {
  const exact = new Map(rules.filter((rule) => isExactPattern(rule.from)).map((rule) => [rule.from, rule]));
  const dynamic = rules.filter((rule) => !isExactPattern(rule.from));
  return (path) => {
    const candidates = [
      exact.get(path),
      ...dynamic.filter((rule) => matchPattern(rule.from, path) !== undefined),
    ];
    const found = candidates.filter((rule) => rule !== undefined);
    const entry = served.get(path);
    const rule = found.find(({ force }) => force === true) ?? (entry === undefined ? found[0] : undefined);
    if (rule !== undefined) return targetWithin(rule, path);
    return entry?.kind === 'redirect' ? entry.to : undefined;
  };
}

/** A rewrite is answered at once, another site's redirects are not ours. */
function targetWithin({ from, to, status }: RedirectRule, path: string): string | undefined {
  if (status === 200 || !to.startsWith('/')) return undefined;
  return decodePattern(fillTarget(to, matchPattern(from, path) ?? {}).replace(/[?#].*$/s, ''));
}

const MAX_HOPS = 20;

/** The way of a sample path of this rule, when it never ends: the same path again, or more hops than browsers follow. */
function findLoop(rule: RedirectRule, find: HopFinder): string[] | undefined {
  const way = [samplePath(rule.from)];
  for (let hops = 0; hops < MAX_HOPS; hops += 1) {
    const target = find(way.at(-1) ?? '/');
    if (target === undefined) return undefined;
    if (way.includes(target)) return [...way, target];
    way.push(target);
  }
  return [...way.slice(0, 4), '…'];
}

function samplePath(pattern: string): string {
  return pattern.replaceAll(/\/:([^/]+)/g, '/($1)').replace(/\/\*$/, '/(any)');
}

type ServedPaths = ReadonlyMap<string, PathEntry<{ contentId: string }>>;

/** Paths that the site's files answer by themselves, clean URLs and the redirects to them included. */
function servedPaths({ resources, html }: Pick<Manifest, 'resources' | 'html'>): ServedPaths {
  const files = new Map<string, { contentId: string }>();
  for (const resource of resources) {
    if (resource.kind === 'static')
      files.set(resource.urlPath, { contentId: resource.hash ?? resource.resourcePath });
  }
  return compilePaths(files, html ?? 'off');
}

function shown(rule: RedirectRule): string {
  return `${rule.from} -> ${rule.to}`;
}
