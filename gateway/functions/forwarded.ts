import { BlockList, isIP } from 'node:net';
import { normalizeHost } from '../../core/host.ts';
import type { Exchange } from '../exchange.ts';

/** Peers whose forwarding headers are believed. */
export type TrustedProxies = { has(address: string): boolean };

/** @param cidrs addresses or CIDR ranges, already checked by the configuration. */
export function createTrustedProxies(cidrs: readonly string[]): TrustedProxies {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  return {
    has: (address) => {
      const family = isIP(address);
      return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
    },
  };
}

/**
 * Host, X-Forwarded-* and Forwarded (RFC 7239), built anew: one value each. What a client sends counts only when it comes
 * from a trusted proxy; the chain is walked right to left, and the first address that is not trusted is the client.
 */
export function forwardedHeaders(
  { incoming, target }: Exchange,
  trusted: TrustedProxies,
): [string, string][] {
  const peer = plainAddress(incoming.socket.remoteAddress ?? '');
  const claims = trusted.has(peer) ? readClaims(incoming.headers) : NO_CLAIMS;
  const client = walk(claims.chain, peer, trusted);
  const proto = claims.proto ?? ownProto(incoming.socket);
  const host = claims.host ?? target.host;
  return [
    ['Host', target.host],
    ['X-Forwarded-For', client],
    ['X-Forwarded-Proto', proto],
    ['X-Forwarded-Host', host],
    ['Forwarded', `for=${nodeOf(client)};host="${host}";proto=${proto}`],
  ];
}

/** Scheme and host as `forwardedHeaders` tells them to a function. */
export function publicOrigin(
  { incoming, target }: Exchange,
  trusted: TrustedProxies,
): { proto: string; host: string } {
  const peer = plainAddress(incoming.socket.remoteAddress ?? '');
  const claims = trusted.has(peer) ? readClaims(incoming.headers) : NO_CLAIMS;
  return { proto: claims.proto ?? ownProto(incoming.socket), host: claims.host ?? target.host };
}

/** What the hops before a trusted proxy are said to be, nearest last. */
type Claims = { chain: readonly string[]; proto: string | undefined; host: string | undefined };
type Headers = Exchange['headers'];

const NO_CLAIMS: Claims = { chain: [], proto: undefined, host: undefined };

/** X-Forwarded-* where the proxy writes them, as nearly all do; Forwarded where it writes only that. */
function readClaims(headers: Headers): Claims {
  const forwarded = readForwarded(headers.forwarded);
  const listed = lastToFirst(headers['x-forwarded-for']).toReversed();
  return {
    chain: listed.length > 0 ? listed : forwarded.chain,
    proto: protoOf(lastToFirst(headers['x-forwarded-proto'])[0]) ?? forwarded.proto,
    host: hostOf(lastToFirst(headers['x-forwarded-host'])[0]) ?? forwarded.host,
  };
}

/**
 * Right to left: each address was written by the one after it, so it counts as long as that one is trusted. Something
 * that is no address (`unknown`, an obfuscated name) ends the walk: who is behind it, nobody trusted has said.
 */
function walk(chain: readonly string[], peer: string, trusted: TrustedProxies): string {
  let client = peer;
  for (const claim of chain.toReversed()) {
    const address = addressOf(claim);
    if (!trusted.has(client) || address === undefined) break;
    client = address;
  }
  return client;
}

// RFC 7239 section 4: elements by comma, pairs by semicolon, values token or quoted-string.
const ELEMENT = /(?:[^,"]|"(?:[^"\\]|\\.)*")+/g;
const PAIR = /(?:^|;)\s*([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^;,"\s]*))/gi;

function readForwarded(header: string | undefined): Claims {
  if (header === undefined) return NO_CLAIMS;
  const elements = [...header.matchAll(ELEMENT)].map(([element]) => {
    const pairs = [...element.trim().matchAll(PAIR)];
    return new Map(
      pairs.map(([, name = '', quoted, token]) => [
        name.toLowerCase(),
        (quoted ?? token ?? '').replaceAll(/\\(.)/g, '$1'),
      ]),
    );
  });
  const last = elements.at(-1);
  return {
    chain: elements.map((element) => element.get('for') ?? ''),
    proto: protoOf(last?.get('proto')),
    host: hostOf(last?.get('host')),
  };
}

function lastToFirst(header: string | string[] | undefined): string[] {
  const items = String(header ?? '').split(',');
  return items
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .toReversed();
}

function protoOf(claim: string | undefined): string | undefined {
  const proto = claim?.toLowerCase();
  return proto === 'http' || proto === 'https' ? proto : undefined;
}

function hostOf(claim: string | undefined): string | undefined {
  return claim === undefined ? undefined : normalizeHost(claim);
}

function ownProto(socket: object): string {
  return 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http';
}

/** An address with or without port: `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`. */
function addressOf(claim: string): string | undefined {
  const match = /^\[([^\]]+)\](?::\d+)?$/.exec(claim) ?? /^([\d.]+):\d+$/.exec(claim);
  const address = plainAddress(match?.[1] ?? claim);
  return isIP(address) === 0 ? undefined : address;
}

/** IPv4 addresses reach a dual-stack socket as `::ffff:a.b.c.d`. */
function plainAddress(address: string): string {
  const mapped = address.slice(0, 7).toLowerCase() === '::ffff:' ? address.slice(7) : '';
  return isIP(mapped) === 4 ? mapped : address;
}

/** RFC 7239 section 6: an IPv6 address stands in brackets, and therefore in quotes. */
function nodeOf(address: string): string {
  return isIP(address) === 6 ? `"[${address}]"` : address;
}
