import { EdgeError } from '../../core/errors.ts';
import type { Answer, Exchange } from '../exchange.ts';
import { matchesWeakly } from '../static/etag.ts';
import { parseRange, resolveRange } from '../static/ranges.ts';
import { FIELDS_FOR_THE_EDGE } from '../functions/fields-for-the-edge.ts';
import { currentAgeMs, dateOf } from './age.ts';
import { cacheStatusOf, type CacheStatus } from './cache-status.ts';
import { parseHttpDate } from './http-date.ts';
import { sliceOf } from './partial.ts';
import type { StoredResponse } from './stored-response.ts';
import { isStrong } from './validators.ts';

const LENGTH: ReadonlySet<string> = new Set(['content-length']);
/** Of a 304 these say nothing (RFC 9110 section 15.4.5), and of a part they would say something wrong. */
const OF_THE_WHOLE: ReadonlySet<string> = new Set(['content-length', 'content-range']);
const NOT_IN_304: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'content-md5',
]);
/** A 416 is no state of the representation (RFC 9110 section 15.5.17): with a lifetime, the next cache would have it for all. */
const NOT_IN_416: ReadonlySet<string> = new Set([
  ...NOT_IN_304,
  'cache-control',
  'cdn-cache-control',
  'content-range',
  'etag',
  'expires',
  'last-modified',
  'set-cookie',
]);

/**
 * The answer made from a stored response: whole, the range asked for, or 304 (RFC 9111 sections 4 and 4.3.2, RFC 9110 sections 13.2 and 14.2).
 */
export function answerStored(
  exchange: Exchange,
  stored: StoredResponse,
  cacheStatus: CacheStatus,
  nowMs: number,
): Answer {
  const base = { exchange, stored, cacheStatus, nowMs };
  if (stored.status !== 200) return whole(base);
  if (isNotModified(exchange.headers, stored, nowMs)) {
    return { status: 304, headers: headersFor(base, NOT_IN_304), body: null };
  }
  const field = rangeOf(exchange, stored, nowMs);
  const range = field === undefined ? undefined : parseRange(field);
  if (range === undefined) return whole(base);
  const totalBytes = sizeOf(stored);
  const resolved = resolveRange(range, totalBytes);
  if (resolved.kind === 'whole') return whole(base);
  if (resolved.kind === 'unsatisfiable') {
    const headers = headersFor(base, NOT_IN_416);
    headers.push(
      'Content-Range',
      `bytes */${totalBytes}`,
      'Content-Length',
      '0',
      'Cache-Control',
      'no-store',
    );
    return { status: 416, headers, body: null };
  }
  const headers = headersFor(base, OF_THE_WHOLE);
  const part = sliceOf(stored, resolved);
  if (part === undefined) throw new EdgeError('INTERNAL', { detail: 'a range that is not stored' });
  headers.push('Content-Range', `bytes ${resolved.start}-${resolved.end}/${totalBytes}`);
  headers.push('Content-Length', String(part.length));
  return { status: 206, headers, body: part };
}

/**
 * Whether the stored response has what the request asks for. An incomplete one answers nothing but a range that lies
 * wholly within what is there (RFC 9111 section 3.3).
 */
export function covers(exchange: Exchange, stored: StoredResponse, nowMs: number): boolean {
  if (stored.partial === undefined) return true;
  const field = rangeOf(exchange, stored, nowMs);
  const range = field === undefined ? undefined : parseRange(field);
  const resolved = range === undefined ? undefined : resolveRange(range, stored.partial.totalBytes);
  return resolved?.kind === 'part' && sliceOf(stored, resolved) !== undefined;
}

function sizeOf({ partial, body }: StoredResponse): number {
  return partial?.totalBytes ?? body.length;
}

type Base = { exchange: Exchange; stored: StoredResponse; cacheStatus: CacheStatus; nowMs: number };

function whole(base: Base): Answer {
  const { status, body } = base.stored;
  const headers = headersFor(base, LENGTH);
  // RFC 9110 section 8.6: never with 204.
  if (status !== 204) headers.push('Content-Length', String(body.length));
  return { status, headers, body: status === 204 ? null : body };
}

function headersFor({ exchange, stored, cacheStatus, nowMs }: Base, without: ReadonlySet<string>): string[] {
  const flat = without === LENGTH ? forWhole(stored).slice() : select(stored, without);
  // RFC 9111 section 5.1: on every response that was stored.
  flat.push('Age', String(Math.floor(currentAgeMs(stored, nowMs) / 1000)));
  flat.push('Via', '1.1 origan-edge', 'Cache-Status', cacheStatusOf(cacheStatus));
  flat.push('X-Origan-Request-Id', exchange.id);
  return flat;
}

// What is the same in every whole answer is put together once: a hit costs a copy.
const prepared = new WeakMap<StoredResponse, string[]>();

function forWhole(stored: StoredResponse): string[] {
  const known = prepared.get(stored);
  if (known !== undefined) return known;
  const flat = select(stored, LENGTH);
  prepared.set(stored, flat);
  return flat;
}

function select({ headers }: StoredResponse, without: ReadonlySet<string>): string[] {
  const flat: string[] = [];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (!without.has(lower) && !FIELDS_FOR_THE_EDGE.has(lower)) flat.push(name, value);
  }
  return flat;
}

/** RFC 9111 section 4.3.2. Without Last-Modified the time at which the response was made stands in for it. */
export function isNotModified(headers: Exchange['headers'], stored: StoredResponse, nowMs: number): boolean {
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) return matchesWeakly(ifNoneMatch, stored.etag);
  const since = parseHttpDate(headers['if-modified-since'] ?? '', nowMs);
  if (since === undefined) return false;
  const modified =
    stored.lastModified === undefined
      ? dateOf(stored.headers, stored.receivedAtMs)
      : parseHttpDate(stored.lastModified, nowMs);
  return modified !== undefined && modified <= since;
}

/** The Range that applies: of GET, and where If-Range holds (RFC 9110 sections 13.1.5 and 14.2). */
function rangeOf({ method, headers }: Exchange, stored: StoredResponse, nowMs: number): string | undefined {
  if (method !== 'GET') return undefined;
  const condition = headers['if-range'];
  if (condition === undefined) return headers.range;
  const text = String(condition).trim();
  const isTag = /^(?:W\/)?"/.test(text);
  const holds = isTag ? isStrong(text) && text === stored.etag : isSameDate(text, stored, nowMs);
  return holds ? headers.range : undefined;
}

/** A date is strong only when it lies a minute before the response was made (RFC 9110 section 8.8.2.2). */
function isSameDate(text: string, stored: StoredResponse, nowMs: number): boolean {
  const wanted = parseHttpDate(text, nowMs);
  const modified = parseHttpDate(stored.lastModified ?? '', nowMs);
  if (wanted === undefined || wanted !== modified) return false;
  return dateOf(stored.headers, stored.receivedAtMs) - modified >= 60_000;
}
