import type { IncomingMessage } from 'node:http';
import { EdgeError } from '../core/errors.ts';
import { normalizeHost } from '../core/host.ts';

/** What a request asks for, checked and taken apart (http.md "Order of a request", steps 1 and 2). */
export type Target = {
  /** Normalised host, port included unless it is a default one. */
  host: string;
  /** Path with percent-escapes decoded exactly once and dot segments resolved: for look-ups of files. */
  path: string;
  /** Path as received, in origin form: what a function is called with. */
  rawPath: string;
  /** Query with its question mark, or empty: as received. */
  search: string;
};

const MAX_TARGET_LENGTH = 8192;
// TRACE would echo credentials back (RFC 9110 section 9.3.8); CONNECT is for proxies that tunnel.
const REFUSED_METHODS = new Set(['TRACE', 'TRACK', 'CONNECT']);

/**
 * Reads host and path of a request.
 *
 * @throws EdgeError BAD_REQUEST, BAD_HOST, BAD_PATH, URI_TOO_LONG or METHOD_NOT_IMPLEMENTED.
 */
export function readTarget(incoming: IncomingMessage): Target {
  const method = incoming.method ?? '';
  if (REFUSED_METHODS.has(method)) throw new EdgeError('METHOD_NOT_IMPLEMENTED');
  const url = incoming.url ?? '';
  if (url.length > MAX_TARGET_LENGTH) throw new EdgeError('URI_TOO_LONG');
  const sent = hostHeader(incoming);
  const { authority, pathAndQuery } = splitTarget(url, method);
  const host = normalizeHost(authority ?? sent);
  if (host === undefined) throw new EdgeError('BAD_HOST');
  const mark = pathAndQuery.indexOf('?');
  const rawPath = mark === -1 ? pathAndQuery : pathAndQuery.slice(0, mark);
  const search = mark === -1 ? '' : pathAndQuery.slice(mark);
  return { host, path: decodePath(rawPath), rawPath, search };
}

/** RFC 9112 section 3.2.2: the authority of an absolute-form target replaces Host. */
function splitTarget(url: string, method: string): { authority?: string; pathAndQuery: string } {
  if (url.startsWith('/')) return { pathAndQuery: url };
  if (url === '*' && method === 'OPTIONS') return { pathAndQuery: '/' };
  const absolute = /^https?:\/\/([^/?#@]+)([/?].*)?$/i.exec(url);
  if (absolute === null) throw new EdgeError('BAD_REQUEST');
  const rest = absolute[2] ?? '/';
  return { authority: absolute[1] ?? '', pathAndQuery: rest.startsWith('/') ? rest : `/${rest}` };
}

/** RFC 9112 section 3.2: exactly one Host; Node keeps only the first of several, so the raw list is asked. */
function hostHeader(incoming: IncomingMessage): string {
  let found: string | undefined;
  const raw = incoming.rawHeaders;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (name.length !== 4 || name.toLowerCase() !== 'host') continue;
    if (found !== undefined) throw new EdgeError('BAD_HOST');
    found = raw[index + 1];
  }
  if (found === undefined || found === '') throw new EdgeError('BAD_HOST');
  return found;
}

/**
 * Decodes a path exactly once. `%2F` stays an escape, since it is never a separator; a bad escape, NUL, control
 * character or backslash is refused. Dot segments, encoded ones too, are resolved (RFC 3986 section 5.2.4).
 */
export function decodePath(rawPath: string): string {
  if (isPlainPath(rawPath)) return rawPath;
  const decoded = rawPath.split('/').map(decodeSegment).join('/');
  return decoded.includes('/.') ? resolveDotSegments(decoded) : decoded;
}

// The usual path: nothing to decode, nothing to resolve. Costs one scan; anything unusual takes the slow way.
const PLAIN_PATH = /^(?:\/[\w\-~!$&'()*+,;=:@][\w.\-~!$&'()*+,;=:@]*)*\/?$/;

function isPlainPath(path: string): boolean {
  return PLAIN_PATH.test(path);
}

function decodeSegment(segment: string): string {
  const text = decodeEscapes(segment);
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f || code === 0x5c) throw new EdgeError('BAD_PATH');
  }
  return text;
}

function decodeEscapes(segment: string): string {
  try {
    return segment
      .split(/(%2f)/i)
      .map((part) => (/^%2f$/i.test(part) ? '%2F' : decodeURIComponent(part)))
      .join('');
  } catch (error) {
    throw new EdgeError('BAD_PATH', { cause: error });
  }
}

function resolveDotSegments(path: string): string {
  const segments = path.split('/').slice(1);
  const kept: string[] = [];
  for (const [index, segment] of segments.entries()) {
    const isDots = segment === '.' || segment === '..';
    if (segment === '..') kept.pop();
    if (!isDots) kept.push(segment);
    else if (index === segments.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`;
}
