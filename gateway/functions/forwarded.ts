import { BlockList, isIP } from 'node:net';
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
  return { has: (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') };
}

/**
 * X-Forwarded-* and Forwarded (RFC 7239), built anew. What a client sends counts only when it comes from a trusted
 * proxy; the chain is walked right to left, and the first address that is not trusted is the client.
 */
export function forwardedHeaders(
  { incoming, target }: Exchange,
  trusted: TrustedProxies,
): [string, string][] {
  const peer = plainAddress(incoming.socket.remoteAddress ?? '');
  const isTrusted = trusted.has(peer);
  const client = isTrusted ? firstUntrusted(incoming.headers['x-forwarded-for'], peer, trusted) : peer;
  const proto = (isTrusted && protoOf(incoming.headers['x-forwarded-proto'])) || ownProto(incoming.socket);
  return [
    ['Host', target.host],
    ['X-Forwarded-For', client],
    ['X-Forwarded-Proto', proto],
    ['X-Forwarded-Host', target.host],
    ['Forwarded', `for=${nodeOf(client)};host="${target.host}";proto=${proto}`],
  ];
}

function firstUntrusted(
  header: string | string[] | undefined,
  peer: string,
  trusted: TrustedProxies,
): string {
  const chain = String(header ?? '')
    .split(',')
    .map((each) => plainAddress(each.trim()))
    .filter((each) => isIP(each) !== 0);
  return chain.findLast((each) => !trusted.has(each)) ?? chain[0] ?? peer;
}

function protoOf(header: string | string[] | undefined): string | undefined {
  const last = String(header ?? '')
    .split(',')
    .at(-1)
    ?.trim()
    .toLowerCase();
  return last === 'http' || last === 'https' ? last : undefined;
}

function ownProto(socket: object): string {
  return 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http';
}

/** IPv4 addresses reach a dual-stack socket as `::ffff:a.b.c.d`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

/** RFC 7239 section 6: an IPv6 address stands in brackets, and therefore in quotes. */
function nodeOf(address: string): string {
  return isIP(address) === 6 ? `"[${address}]"` : address;
}
