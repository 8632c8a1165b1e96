import type { ByteRange } from '../../store/object-store.ts';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { fieldOf } from '../header-fields.ts';
import type { StoredResponse } from './stored-response.ts';
import { isStrong } from './validators.ts';

/** Which bytes of a representation are stored: sorted ranges that do not touch. The body holds them one after the other. */
export type Partial = { ranges: readonly ByteRange[]; totalBytes: number };

/** The range that a 206 brings, and of how much. */
export type ContentRange = ByteRange & { totalBytes: number };

const MAX_RANGES = 16;
const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i;

/**
 * What a 206 says that it holds (RFC 9110 section 14.4). Undefined for what cannot be stored: several ranges (they have no
 * such field), an unknown length, and what contradicts itself.
 */
export function contentRangeOf(headers: HeaderList): ContentRange | undefined {
  const [, first, last, total] = CONTENT_RANGE.exec(fieldOf(headers, 'content-range')?.trim() ?? '') ?? [];
  const range = { start: Number(first), end: Number(last), totalBytes: Number(total) };
  return range.start <= range.end && range.end < range.totalBytes ? range : undefined;
}

/** The bytes of a range, if all of them are stored (RFC 9111 section 3.3). */
export function sliceOf(
  { body, partial }: Pick<StoredResponse, 'body' | 'partial'>,
  { start, end }: ByteRange,
): Buffer | undefined {
  if (partial === undefined) return body.subarray(start, end + 1);
  let offset = 0;
  for (const range of partial.ranges) {
    const from = offset + start - range.start;
    if (start >= range.start && end <= range.end) return body.subarray(from, from + end - start + 1);
    offset += range.end - range.start + 1;
  }
  return undefined;
}

/** What lacks of a representation, where one request with a range can bring it and may then be combined with it. */
export function gapOf({ etag, partial }: StoredResponse): ByteRange | undefined {
  // RFC 9111 section 3.4: only with a strong validator.
  if (partial === undefined || etag === undefined || !isStrong(etag)) return undefined;
  const gaps: ByteRange[] = [];
  let next = 0;
  for (const { start, end } of partial.ranges) {
    if (start > next) gaps.push({ start: next, end: start - 1 });
    next = end + 1;
  }
  if (next < partial.totalBytes) gaps.push({ start: next, end: partial.totalBytes - 1 });
  return gaps.length === 1 ? gaps[0] : undefined;
}

/** Bytes of a representation and which they are. */
export type Piece = { body: Buffer; partial: Partial };

/** Whether two messages hold parts of one and the same representation (RFC 9110 section 15.3.7.3). */
export function isSameRepresentation(
  stored: Pick<StoredResponse, 'etag' | 'partial'>,
  part: { etag: string | undefined; totalBytes: number },
): boolean {
  const { etag } = part;
  return (
    etag !== undefined &&
    isStrong(etag) &&
    etag === stored.etag &&
    stored.partial?.totalBytes === part.totalBytes
  );
}

/** Both pieces as one; the bytes of the later one count where they overlap. Undefined: too many ranges, or too large. */
export function combine(earlier: Piece, later: Piece, maxBytes: number): Piece | undefined {
  const { totalBytes } = later.partial;
  const pieces = [...split(earlier), ...split(later)].sort((a, b) => a.start - b.start);
  const merged: { start: number; chunks: Buffer[]; end: number }[] = [];
  for (const { start, bytes } of pieces) {
    const end = start + bytes.length - 1;
    const last = merged.at(-1);
    if (last === undefined || start > last.end + 1) merged.push({ start, end, chunks: [bytes] });
    else if (end > last.end) {
      last.chunks.push(bytes.subarray(last.end + 1 - start));
      last.end = end;
    }
  }
  const body = Buffer.concat(merged.flatMap(({ chunks }) => chunks));
  if (merged.length > MAX_RANGES || body.length > maxBytes) return undefined;
  return { body, partial: { totalBytes, ranges: merged.map(({ start, end }) => ({ start, end })) } };
}

/** Whether nothing lacks. */
export function isWhole({ ranges, totalBytes }: Partial): boolean {
  const [only] = ranges;
  return ranges.length === 1 && only?.start === 0 && only.end === totalBytes - 1;
}

function split({ body, partial }: Piece): { start: number; bytes: Buffer }[] {
  let offset = 0;
  return partial.ranges.map(({ start, end }) => {
    const bytes = body.subarray(offset, offset + end - start + 1);
    offset += bytes.length;
    return { start, bytes };
  });
}
