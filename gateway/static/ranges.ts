import type { ByteRange } from '../../store/object-store.ts';
import { parseHttpDate } from '../response-cache/http-date.ts';
import type { Validators } from './preconditions.ts';

/** A Range header as it was sent: `last` undefined is an open end, `suffix` the last so many bytes. */
export type RangeSpec =
  | { kind: 'from'; first: number; last: number | undefined }
  | { kind: 'suffix'; length: number };

/** The range of a representation of known size. */
export type ResolvedRange = { kind: 'whole' } | ({ kind: 'part' } & ByteRange) | { kind: 'unsatisfiable' };

const SINGLE = /^(?:(\d+)-(\d*)|-(\d+))$/;

/**
 * The one byte range that a Range header asks for. Undefined when it is to be ignored, which RFC 9110 section 14.2
 * allows for anything: another unit, malformed, more than one range (few clients want several, and answering them
 * costs memory for a multipart body).
 */
export function parseRange(field: string): RangeSpec | undefined {
  const [, set] = /^bytes=(.*)$/is.exec(field) ?? [];
  if (set === undefined) return undefined;
  // RFC 9110 section 5.6.1.2: empty elements of a list do not count.
  const elements = set.split(',');
  const specs = elements
    .map((element, index) => trimInner(element, index, elements.length))
    .filter((spec) => spec !== '');
  const [only] = specs;
  if (specs.length !== 1 || only === undefined) return undefined;
  const [, first, last, suffix] = SINGLE.exec(only) ?? [];
  if (suffix !== undefined) return { kind: 'suffix', length: Number(suffix) };
  if (first === undefined) return undefined;
  const end = last === undefined || last === '' ? undefined : Number(last);
  // 14.1.1: a last position before the first makes the range invalid.
  return end !== undefined && end < Number(first)
    ? undefined
    : { kind: 'from', first: Number(first), last: end };
}

/** Optional white space stands around commas only, so not at the outer ends of the list. */
function trimInner(element: string, index: number, count: number): string {
  const left = index === 0 ? element : element.replace(/^[ \t]+/, '');
  return index === count - 1 ? left : left.replace(/[ \t]+$/, '');
}

/** RFC 9110 section 14.1.2. */
export function resolveRange(spec: RangeSpec, size: number): ResolvedRange {
  if (spec.kind === 'suffix') {
    if (spec.length === 0) return { kind: 'unsatisfiable' };
    // Satisfiable even where there is nothing to send, and Content-Range cannot say "no bytes".
    if (size === 0) return { kind: 'whole' };
    return { kind: 'part', start: Math.max(0, size - spec.length), end: size - 1 };
  }
  if (spec.first >= size) return { kind: 'unsatisfiable' };
  return { kind: 'part', start: spec.first, end: Math.min(spec.last ?? size - 1, size - 1) };
}

/** RFC 9110 section 13.1.5: whether the range applies. A tag must match strongly, a date exactly. */
export function ifRangeHolds(field: string | undefined, validators: Validators, nowMs: number): boolean {
  if (field === undefined) return true;
  if (field.startsWith('"')) return field === validators.etag;
  if (validators.lastModifiedMs === undefined) return false;
  // 8.8.2.2: an object of a deployment never changes, so its date is as strong as a tag.
  return parseHttpDate(field, nowMs) === validators.lastModifiedMs;
}
