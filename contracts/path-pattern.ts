import { decodeEscapes } from '../core/decode-escapes.ts';

/**
 * Patterns of redirect and header rules: literal segments, `:name` for one segment, one `*` as the last segment
 * for any number of them (none included: `/blog/*` matches `/blog` and `/blog/`). Paths are compared unencoded.
 */

/** Why a pattern may not be used, or undefined when it may. */
export function whyBadPattern(pattern: string): string | undefined {
  if (!pattern.startsWith('/')) return 'must begin with a slash';
  if (pattern.startsWith('//')) return 'must not begin with two slashes';
  if (/[?#]/.test(pattern)) return 'must be a path: queries and fragments cannot be matched';
  if (pattern.includes('\\') || hasControlCharacter(pattern))
    return 'contains a backslash or a control character';
  const names = new Set<string>();
  for (const [index, segment] of segmentsOf(pattern).entries()) {
    const problem = whyBadSegment(segment, index === segmentsOf(pattern).length - 1, names);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * A pattern in the form in which paths are compared: a space, say, can stand in a line of `_redirects` as an escape only. Decoded
 * as a request's path is, where that leaves a pattern of the same meaning.
 */
export function decodePattern(pattern: string): string {
  return pattern.split('/').map(decodeSegment).join('/');
}

/** Whether the pattern stands for exactly one path. */
export function isExactPattern(pattern: string): boolean {
  return !segmentsOf(pattern).some((segment) => segment === '*' || segment.startsWith(':'));
}

/** The values of the parameters (`splat` for `*`) when the path matches, otherwise undefined. */
export function matchPattern(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = segmentsOf(pattern);
  const given = segmentsOf(path);
  const values: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    if (segment === '*') return { ...values, splat: given.slice(index).join('/') };
    const found = given[index];
    if (found === undefined) return undefined;
    if (segment.startsWith(':') && found !== '') values[segment.slice(1)] = found;
    else if (segment !== found) return undefined;
  }
  return given.length === wanted.length ? values : undefined;
}

/** Whether every path that `narrow` matches is matched by `wide` too. */
export function coversPattern(wide: string, narrow: string): boolean {
  const outer = segmentsOf(wide);
  const inner = segmentsOf(narrow);
  for (const [index, segment] of outer.entries()) {
    if (segment === '*') return inner.length >= index;
    const other = inner[index];
    if (other === undefined || other === '*') return false;
    if (segment.startsWith(':') ? other === '' : segment !== other) return false;
  }
  return inner.length === outer.length;
}

/** Names of the parameters that a target may use. */
export function parameterNames(pattern: string): Set<string> {
  const named = segmentsOf(pattern).filter((segment) => segment.startsWith(':'));
  const names = new Set(named.map((segment) => segment.slice(1)));
  if (segmentsOf(pattern).at(-1) === '*') names.add('splat');
  return names;
}

/** `:name` and `:splat` in a target; the authority of an absolute URL (its port) is left alone. */
export function targetPlaceholders(target: string): string[] {
  return Array.from(withoutOrigin(target).matchAll(PLACEHOLDER), (match) => match[1] ?? '');
}

/** The target with its parameters filled in. */
export function fillTarget(target: string, values: Record<string, string>): string {
  const path = withoutOrigin(target);
  const filled = path.replaceAll(PLACEHOLDER, (whole, name: string) => values[name] ?? whole);
  return target.slice(0, target.length - path.length) + filled;
}

const PLACEHOLDER = /:([A-Za-z_][A-Za-z0-9_]*)/g;

function segmentsOf(path: string): string[] {
  return path.slice(1).split('/');
}

function decodeSegment(segment: string): string {
  try {
    const text = decodeEscapes(segment);
    return /^:|[*?#]/.test(text) ? segment : text;
  } catch {
    // No escape, but a percent sign of the path's own.
    return segment;
  }
}

function whyBadSegment(segment: string, isLast: boolean, names: Set<string>): string | undefined {
  if (segment === '*') return isLast ? undefined : '* must be the last segment';
  if (segment.includes('*')) return '* must stand alone between slashes';
  if (segment === '.' || segment === '..') return 'contains a dot segment';
  if (!segment.startsWith(':')) return undefined;
  const name = segment.slice(1);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `:${name} is no parameter name`;
  if (name === 'splat' || names.has(name))
    return `:${name} is ${name === 'splat' ? 'reserved for *' : 'used twice'}`;
  names.add(name);
  return undefined;
}

function withoutOrigin(target: string): string {
  const origin = /^https?:\/\/[^/?#]*/i.exec(target)?.[0] ?? '';
  return target.slice(origin.length);
}

function hasControlCharacter(text: string): boolean {
  return Array.from(text).some((character) => character < ' ' || character === '\u007F');
}
