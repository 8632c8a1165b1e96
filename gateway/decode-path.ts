import { decodeEscapes } from '../core/decode-escapes.ts';
import { EdgeError } from '../core/errors.ts';

/** A path twice: decoded for look-ups, and as it came for whoever it is passed on to; both with dots resolved. */
export type DecodedPath = { path: string; rawPath: string };

// The usual path: nothing to decode, nothing to resolve. Costs one scan; anything unusual takes the slow way.
const PLAIN_PATH = /^(?:\/[\w\-~!$&'()*+,;=:@][\w.\-~!$&'()*+,;=:@]*)*\/?$/;

/** Whether decoding would leave the path as it is. */
export function isPlainPath(path: string): boolean {
  return PLAIN_PATH.test(path);
}

/**
 * Decodes a path exactly once. `%2F` stays an escape, since it is never a separator; a bad escape, NUL, control
 * character or backslash is refused. Dot segments, encoded ones too, are resolved (RFC 3986 section 5.2.4).
 *
 * @throws EdgeError BAD_PATH.
 */
export function decodePath(received: string): DecodedPath {
  if (isPlainPath(received)) return { path: received, rawPath: received };
  const raw = received.split('/').slice(1);
  const decoded = raw.map(decodeSegment);
  const kept = keptSegments(decoded);
  return { path: join(kept, decoded), rawPath: join(kept, raw) };
}

/** The path as a URL shows it: what RFC 3986 section 3.3 does not allow in a segment is escaped. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeSegment).join('/');
}

function encodeSegment(segment: string): string {
  // $ & + , : ; = @ may stand in a path as they are.
  return encodeURIComponent(segment.toWellFormed()).replaceAll(
    /%(?:24|26|2B|2C|3A|3B|3D|40)/g,
    decodeURIComponent,
  );
}

function decodeSegment(segment: string): string {
  const text = decodedOrRefused(segment);
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f || code === 0x5c) throw new EdgeError('BAD_PATH');
  }
  return text;
}

function decodedOrRefused(segment: string): string {
  try {
    return decodeEscapes(segment);
  } catch (error) {
    throw new EdgeError('BAD_PATH', { cause: error });
  }
}

/** Positions of the segments that stay once dots are resolved; -1 stands for an empty last one. */
function keptSegments(segments: readonly string[]): number[] {
  const kept: number[] = [];
  for (const [index, segment] of segments.entries()) {
    const isDots = segment === '.' || segment === '..';
    if (segment === '..') kept.pop();
    if (!isDots) kept.push(index);
    else if (index === segments.length - 1) kept.push(-1);
  }
  return kept;
}

function join(kept: readonly number[], segments: readonly string[]): string {
  return `/${kept.map((index) => segments[index] ?? '').join('/')}`;
}
