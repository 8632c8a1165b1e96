import type { IncomingMessage } from 'node:http';
import { PLATFORM_HEADER_PREFIX } from '../../runner-client/contract.ts';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import type { FlatHeaders } from '../exchange.ts';

// RFC 9110 section 7.6.1, and the names that proxies of old used.
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What a client claims about earlier hops: built anew, see forwardedHeaders. */
const FORWARDING = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-real-ip',
]);

/** Names that a Connection header lists are hop-by-hop too (RFC 9110 section 7.6.1). */
export function connectionNames(values: readonly string[]): Set<string> {
  const names = values.flatMap((value) => value.split(',')).map((name) => name.trim().toLowerCase());
  return new Set(names.filter((name) => name !== ''));
}

/** The request's end-to-end headers, with nothing in them that only the platform may say. */
export function requestHeaders(incoming: IncomingMessage): [string, string][] {
  const list = pairs(incoming.rawHeaders);
  const named = connectionNames(valuesOf(list, 'connection'));
  return list.filter(([name]) => {
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || named.has(lower) || FORWARDING.has(lower)) return false;
    // The client library frames the body anew; Expect was answered by this hop.
    if (lower === 'host' || lower === 'expect') return false;
    return !lower.startsWith(PLATFORM_HEADER_PREFIX);
  });
}

/** The answer's end-to-end headers as `writeHead` takes them. */
export function responseHeaders(headers: HeaderList): string[] {
  const named = connectionNames(valuesOf(headers, 'connection'));
  const flat: string[] = [];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || named.has(lower) || lower.startsWith(PLATFORM_HEADER_PREFIX)) continue;
    flat.push(name, value);
  }
  return flat;
}

function valuesOf(list: HeaderList, wanted: string): string[] {
  return list.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
}

function pairs(flat: FlatHeaders): [string, string][] {
  const list: [string, string][] = [];
  for (let index = 0; index + 1 < flat.length; index += 2)
    list.push([flat[index] ?? '', flat[index + 1] ?? '']);
  return list;
}
