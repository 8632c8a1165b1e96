/** The one byte range asked for; `length`: the last so many bytes. */
export type RangeSpec = { first: number; last: number | undefined } | { length: number };

/** First and last byte of a range, both included. */
export type Part = { start: number; end: number };

const SINGLE = /^bytes=[ \t]*(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))[ \t]*$/i;

/** Undefined for what is to be ignored: other units, malformed, several ranges (RFC 9110 section 14.2). */
export function parseRange(field: string): RangeSpec | undefined {
  const [, first, last, suffix] = SINGLE.exec(field) ?? [];
  if (suffix !== undefined) return { length: Number(suffix) };
  if (first === undefined) return undefined;
  const end = last === undefined || last === '' ? undefined : Number(last);
  return end !== undefined && end < Number(first) ? undefined : { first: Number(first), last: end };
}

/** Undefined: unsatisfiable (RFC 9110 section 14.1.2). */
export function resolveRange(spec: RangeSpec, size: number): Part | undefined {
  if ('length' in spec) {
    if (spec.length === 0 || size === 0) return undefined;
    return { start: Math.max(0, size - spec.length), end: size - 1 };
  }
  if (spec.first >= size) return undefined;
  return { start: spec.first, end: Math.min(spec.last ?? size - 1, size - 1) };
}
