import { METHODS, type IncomingMessage } from 'node:http';
import { EdgeError } from '../core/errors.ts';
import { normalizeHost, normalizeHostField } from '../core/host.ts';
import { decodePath } from './decode-path.ts';

/** What a request asks for, checked and taken apart (http.md "Order of a request", steps 1 and 2). */
export type Target = {
  /** Normalised host, port included unless it is a default one. */
  host: string;
  /**
   * Path with percent-escapes decoded exactly once and dot segments resolved: for look-ups of files. `*` is the
   * server as a whole (RFC 9110 section 9.3.7).
   */
  path: string;
  /** Path as received, in origin form, with dot segments resolved: what a function is called with. */
  rawPath: string;
  /** Query with its question mark, or empty: as received. */
  search: string;
};

/** Longest target, bytes: more is 414. */
export const MAX_TARGET_LENGTH = 8192;
// TRACE would echo credentials back (RFC 9110 section 9.3.8); CONNECT is for proxies that tunnel.
// Node's parser also takes the methods of RTSP, with its name in place of HTTP's: they are none of METHODS.
const REFUSED_METHODS = ['TRACE', 'TRACK', 'CONNECT'];
const TAKEN_METHODS: ReadonlySet<string> = new Set(
  METHODS.filter((method) => !REFUSED_METHODS.includes(method)),
);

/**
 * Reads host and path of a request.
 *
 * @throws EdgeError BAD_REQUEST, BAD_HOST, BAD_PATH, URI_TOO_LONG or METHOD_NOT_IMPLEMENTED.
 */
export function readTarget(incoming: IncomingMessage): Target {
  const method = incoming.method ?? '';
  if (!TAKEN_METHODS.has(method)) throw new EdgeError('METHOD_NOT_IMPLEMENTED');
  const url = incoming.url ?? '';
  if (url.length > MAX_TARGET_LENGTH) throw new EdgeError('URI_TOO_LONG');
  const sent = hostHeader(incoming);
  const { authority, pathAndQuery } = splitTarget(url, method);
  const host = normalizeHostField(sent);
  // RFC 9112 section 3.2.2 lets the authority of an absolute form replace Host. The two must be alike (section 3.2),
  // and where they are not, some hop in front may have gone by the other one.
  const isAmbiguous = authority !== undefined && normalizeHost(authority) !== host;
  if (host === undefined || isAmbiguous) throw new EdgeError('BAD_HOST');
  if (pathAndQuery === '*') return { host, path: '*', rawPath: '*', search: '' };
  const mark = pathAndQuery.indexOf('?');
  const received = mark === -1 ? pathAndQuery : pathAndQuery.slice(0, mark);
  const search = mark === -1 ? '' : pathAndQuery.slice(mark);
  return { host, ...decodePath(received), search };
}

/** RFC 9112 section 3.2: origin form, asterisk form, absolute form. A fragment is no part of a target. */
function splitTarget(url: string, method: string): { authority?: string; pathAndQuery: string } {
  if (url.includes('#')) throw new EdgeError('BAD_REQUEST');
  if (url.startsWith('/')) return { pathAndQuery: url };
  if (url === '*' && method === 'OPTIONS') return { pathAndQuery: '*' };
  const absolute = /^https?:\/\/([^/?@]+)([/?].*)?$/i.exec(url);
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
