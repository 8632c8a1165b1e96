import type { IncomingMessage } from 'node:http';
import { isHopByHop } from '../../contracts/header-names.ts';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import type { FlatHeaders } from '../exchange.ts';
import { maxForwards } from './max-forwards.ts';

/** What a client claims about earlier hops: built anew, see forwardedHeaders. */
const FORWARDING = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-real-ip',
]);

/** Headers that frame or route a message may not be declared hop-by-hop: dropping them would change its meaning. */
const NEVER_NAMED = new Set(['content-length', 'host']);

// Underscores too: software that reads headers through CGI-like variables cannot tell the two apart.
const PLATFORM = /^x[-_]origan[-_]/;

/** Names that a Connection header lists are hop-by-hop too (RFC 9110 section 7.6.1). */
export function connectionNames(list: HeaderList): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [name, value] of list) {
    if (name.toLowerCase() !== 'connection') continue;
    for (const option of value.split(',')) names.add(option.trim().toLowerCase());
  }
  for (const name of NEVER_NAMED) names.delete(name);
  return names;
}

/** The request's end-to-end headers, with nothing in them that only the platform may say, and Via appended. */
export function requestHeaders(incoming: IncomingMessage): [string, string][] {
  const list = pairs(incoming.rawHeaders);
  const named = connectionNames(list);
  const kept = list.filter(([name]) => {
    const lower = name.toLowerCase();
    if (isHopByHop(lower) || named.has(lower) || FORWARDING.has(lower)) return false;
    if (lower === 'max-forwards' && maxForwards(incoming) !== undefined) return false;
    // Expect is answered by this hop; Host is said anew, as it was understood.
    return lower !== 'host' && lower !== 'expect' && !PLATFORM.test(lower);
  });
  if (acceptsTrailers(list)) kept.push(['TE', 'trailers']);
  const hops = maxForwards(incoming);
  if (hops !== undefined) kept.push(['Max-Forwards', String(hops - 1)]);
  kept.push(['Via', `${incoming.httpVersion} origan-edge`]);
  return kept;
}

/** What makes the call an upgrade; the other headers of the handshake are end-to-end. */
export function upgradeHeaders(incoming: IncomingMessage): [string, string][] {
  return [
    ['Connection', 'Upgrade'],
    ['Upgrade', String(incoming.headers.upgrade)],
  ];
}

/** The answer's end-to-end headers as `writeHead` takes them. */
export function responseHeaders(headers: HeaderList, status?: number): string[] {
  const named = connectionNames(headers);
  const flat: string[] = [];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (isHopByHop(lower) || named.has(lower) || PLATFORM.test(lower)) continue;
    // RFC 9110 section 8.6: never with 204.
    if (status === 204 && lower === 'content-length') continue;
    flat.push(name, value);
  }
  return flat;
}

/** RFC 9110 section 10.1.4: the one member of TE that is passed on. */
function acceptsTrailers(list: HeaderList): boolean {
  return list.some(
    ([name, value]) =>
      name.toLowerCase() === 'te' &&
      value.split(',').some((each) => each.trim().toLowerCase() === 'trailers'),
  );
}

function pairs(flat: FlatHeaders): [string, string][] {
  const list: [string, string][] = [];
  for (let index = 0; index + 1 < flat.length; index += 2)
    list.push([flat[index] ?? '', flat[index + 1] ?? '']);
  return list;
}
