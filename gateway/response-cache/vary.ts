import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { fieldOf, hasField, linesOf } from '../header-fields.ts';
import { splitOutsideQuotes } from './cache-control.ts';
import type { Profile } from './freshness.ts';

/** Names (lower case, sorted) of the request headers that selected a response; `*`: nothing can tell. */
export type VaryNames = readonly string[] | '*';

/** What selects among the variants of an address. */
export type Selecting = {
  headers: IncomingHttpHeaders;
  profile: Profile;
  /** Everything of the client that a function could see, see request-digest.ts. */
  digest: () => string;
};

/**
 * Stands among the names of a variant that only a request with exactly the same headers from the same address selects:
 * a function was called with all of them, and nothing tells which it looked at. No field can have this name: those of fields
 * are in lower case here.
 */
export const WHOLE_REQUEST = 'REQUEST';

/** Values that are nobody's business stand in variants as their hash. */
const SECRET: ReadonlySet<string> = new Set(['authorization', 'cookie']);

/**
 * What a response varies on (RFC 9110 section 12.5.5). An encoded response that does not say so varies on
 * Accept-Encoding all the same, and one that names an origin in Access-Control-Allow-Origin on Origin: whoever forgot to
 * say so would hand one client's variant to all.
 */
export function varyNamesOf(headers: HeaderList): VaryNames {
  const names = new Set<string>();
  for (const name of (fieldOf(headers, 'vary') ?? '').split(',')) {
    const trimmed = name.trim().toLowerCase();
    if (trimmed === '*') return '*';
    if (trimmed !== '') names.add(trimmed);
  }
  if (hasField(headers, 'content-encoding')) names.add('accept-encoding');
  const allowed = linesOf(headers, 'access-control-allow-origin');
  if (allowed.some((origin) => origin.trim() !== '*')) names.add('origin');
  return [...names].sort();
}

/** The secondary key: the selecting headers' values, normalised where that keeps their meaning (RFC 9111 section 4.1). */
export function variantKey(names: readonly string[], selecting: Selecting): string {
  return names.map((name) => `${name}${valueOf(name, selecting)}`).join('\n');
}

/** Whether the same request alone selects a variant with these names. */
export function isStrict({ varyNames }: { varyNames: readonly string[] }): boolean {
  return varyNames.includes(WHOLE_REQUEST);
}

/** What selects a strict variant beside the request as a whole. */
export function withoutDigest(variant: string): string {
  return variant
    .split('\n')
    .filter((line) => !line.startsWith(WHOLE_REQUEST))
    .join('\n');
}

/** Names of fields among those of variants. */
export function fieldNames(names: readonly string[]): readonly string[] {
  return names.includes(WHOLE_REQUEST) ? names.filter((name) => name !== WHOLE_REQUEST) : names;
}

/** Several sets of names as one, in the order of all such sets. */
export function unionOf(...sets: readonly (readonly string[])[]): readonly string[] {
  return [...new Set(sets.flat())].sort();
}

/**
 * Whether a variant may stand in for a request whose Accept-Language differs from the one that selected it: its one
 * language is the one that the request wants most, so that nothing better can exist (RFC 9110 section 12.5.4).
 */
export function isLanguageWanted(contentLanguage: string | undefined, acceptLanguage: unknown): boolean {
  if (contentLanguage === undefined || typeof acceptLanguage !== 'string') return false;
  const [best, second] = weighted(acceptLanguage).sort((a, b) => b.weight - a.weight);
  if (best === undefined || best.weight === 0 || best.weight === second?.weight) return false;
  return best.value === contentLanguage.trim().toLowerCase();
}

function valueOf(name: string, { headers, profile, digest }: Selecting): string {
  if (name === WHOLE_REQUEST) return `=${digest()}`;
  const raw = sentUnder(headers, name);
  // A header that is absent is not one that is empty.
  if (raw === undefined) return '';
  const value = normalized(name, raw, profile);
  return SECRET.has(name) ? `=${createHash('sha256').update(value).digest('base64url')}` : `=${value}`;
}

/** What a request sent under a name that a response chose: `constructor`, say, which every object has. */
export function sentUnder(headers: IncomingHttpHeaders, name: string): string | string[] | undefined {
  return Object.hasOwn(headers, name) ? headers[name] : undefined;
}

/** The value of a selecting header, the same for all values that select the same variant. */
export function normalized(name: string, raw: string | string[], profile: Profile): string {
  const value = Array.isArray(raw) ? raw.join(', ') : raw;
  if (name === 'accept-encoding') return byWeight(value);
  // Among equal weights some applications take the first language: only `rfc` takes the order for meaningless.
  if (name === 'accept-language') return profile === 'rfc' ? byWeight(value) : inOrder(value);
  return withOneSpaceAfterCommas(value);
}

/** A list of weighted values in an order of its own: the order in which they were sent has no meaning. */
function byWeight(value: string): string {
  return listOf(weighted(value).sort((a, b) => b.weight - a.weight || (a.value < b.value ? -1 : 1)));
}

function inOrder(value: string): string {
  return listOf(weighted(value));
}

function listOf(entries: readonly Weighted[]): string {
  return entries.map(({ value, weight }) => (weight === 1 ? value : `${value};q=${weight}`)).join(', ');
}

type Weighted = { value: string; weight: number };

function weighted(value: string): Weighted[] {
  const entries: Weighted[] = [];
  for (const item of value.split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
    if (name === '') continue;
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const weight = quality === undefined ? 1 : Number(quality);
    entries.push({ value: name, weight: Number.isFinite(weight) ? weight : 0 });
  }
  return entries;
}

function withOneSpaceAfterCommas(value: string): string {
  return splitOutsideQuotes(value)
    .map((part) => part.trim())
    .join(', ');
}
