import type { IncomingHttpHeaders } from 'node:http';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { splitOutsideQuotes } from './cache-control.ts';
import { fieldOf, hasField, linesOf } from './header-fields.ts';
import type { Profile } from './freshness.ts';

/** Names (lower case, sorted) of the request headers that selected a response; `*`: nothing can tell. */
export type VaryNames = readonly string[] | '*';

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
export function variantKey(names: readonly string[], request: IncomingHttpHeaders, profile: Profile): string {
  return names.map((name) => `${name}${normalized(name, request[name], profile)}`).join('\n');
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

function normalized(name: string, raw: string | string[] | undefined, profile: Profile): string {
  // A header that is absent is not one that is empty.
  if (raw === undefined) return '';
  const value = Array.isArray(raw) ? raw.join(', ') : raw;
  if (name === 'accept-encoding') return `=${byWeight(value)}`;
  // Among equal weights some applications take the first language: only `rfc` takes the order for meaningless.
  if (name === 'accept-language') return `=${profile === 'rfc' ? byWeight(value) : inOrder(value)}`;
  return `=${withoutSpaceAroundCommas(value)}`;
}

/** A list of weighted values in an order of its own: the order in which they were sent has no meaning. */
function byWeight(value: string): string {
  const entries = weighted(value).sort((a, b) => b.weight - a.weight || (a.value < b.value ? -1 : 1));
  return entries.map(({ value: name, weight }) => (weight === 1 ? name : `${name};q=${weight}`)).join(',');
}

function inOrder(value: string): string {
  return weighted(value)
    .map(({ value: name, weight }) => (weight === 1 ? name : `${name};q=${weight}`))
    .join(',');
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

function withoutSpaceAroundCommas(value: string): string {
  return splitOutsideQuotes(value)
    .map((part) => part.trim())
    .join(',');
}
