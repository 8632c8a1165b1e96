import { EdgeError } from '../core/errors.ts';
import { whyUnsafePath } from '../core/object-path.ts';
import type { ByteRange } from './object-store.ts';

/** @throws Error for a key that could reach another object, before any store is asked. */
export function requireSafeKey(key: string): void {
  const problem = whyUnsafePath(key);
  if (problem !== undefined) throw new Error(`refused: the object key ${problem}`);
}

/** As `requireSafeKey`, for the beginning of a key: empty, or ending in a slash, is fine here. */
export function requireSafePrefix(prefix: string): void {
  if (prefix !== '') requireSafeKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
}

/**
 * The range within an object of `size` bytes: an end past the object is its last byte, as in RFC 9110
 * section 14.1.2.
 *
 * @throws EdgeError RANGE_NOT_SATISFIABLE when no byte of the object is in it.
 */
export function clampRange(range: ByteRange, size: number): ByteRange {
  requireSoundRange(range);
  if (range.start >= size) throw notSatisfiable(range);
  return { start: range.start, end: Math.min(range.end, size - 1) };
}

/** @throws EdgeError RANGE_NOT_SATISFIABLE for positions that no object could have. */
export function requireSoundRange(range: ByteRange): void {
  const isSound =
    Number.isSafeInteger(range.start) &&
    Number.isSafeInteger(range.end) &&
    range.start >= 0 &&
    range.end >= range.start;
  if (!isSound) throw notSatisfiable(range);
}

export function notSatisfiable(range: ByteRange): EdgeError {
  return new EdgeError('RANGE_NOT_SATISFIABLE', {
    detail: `bytes ${range.start}-${range.end} lie outside the object`,
  });
}
