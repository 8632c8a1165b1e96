import { randomBytes } from 'node:crypto';
import { lookup, Resolver } from 'node:dns/promises';
import { request, type IncomingMessage } from 'node:http';
import { BlockList, isIPv6 } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { putChallenge, removeChallenge } from './challenges.ts';
import type { AcmeSettings } from './config.ts';
import { CertificateFailure } from './failure.ts';

const DNS_TIMEOUT_MS = 3000;
const DEADLINE_MS = 10_000;
const MAX_BYTES = 1024;
const MAX_ADDRESSES = 4;

export type Reach = AcmeSettings['reach'];
export type SelfCheckParts = { store: ObjectStore; clock: Clock; signal: AbortSignal };

/**
 * Asks for a proof of its own at the domain, as the authority will: a domain that does not point here, or not yet, costs the
 * authority nothing and no failed validation.
 *
 * The domain is its owner's to choose, and with it the address that this program connects to. So it connects to public
 * addresses alone, unless told otherwise, at the one port, follows no redirect, and of what is answered only tells whether it
 * was the proof.
 *
 * @throws CertificateFailure `domain` with what is to be mended.
 */
export async function checkReach(parts: SelfCheckParts, host: string, reach: Reach): Promise<void> {
  const addresses = await resolveHost(host, reach);
  const token = `origan-${randomBytes(16).toString('base64url')}`;
  const proof = `${token}.${randomBytes(16).toString('base64url')}`;
  await putChallenge(parts, token, proof);
  try {
    const found = await askFirst(addresses, { host, token, reach, signal: parts.signal });
    if (found.text === proof) return;
    throw notHere(`${host} is at ${found.address}, which ${found.says}: point it at this installation.`);
  } finally {
    await removeChallenge(parts, token);
  }
}

function notHere(text: string, cause?: unknown): CertificateFailure {
  return new CertificateFailure('domain', text, { cause });
}

/** IPv6 first, as authorities do. */
async function resolveHost(host: string, { dnsServers, allowsPrivate }: Reach): Promise<string[]> {
  const addresses = await askDns(host, dnsServers);
  if (addresses.length === 0) throw notHere(`DNS has no address for ${host} yet.`);
  if (!allowsPrivate && addresses.some(isPrivate))
    throw notHere(`${host} points at a private address, which no authority can reach.`);
  return addresses
    .toSorted((left, right) => Number(isIPv6(right)) - Number(isIPv6(left)))
    .slice(0, MAX_ADDRESSES);
}

async function askDns(host: string, servers: readonly string[]): Promise<string[]> {
  try {
    if (servers.length === 0) return (await lookup(host, { all: true })).map(({ address }) => address);
    const resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: 2 });
    resolver.setServers(servers);
    const [v6, v4] = await Promise.all([
      resolver.resolve6(host).catch(noneOrThrow),
      resolver.resolve4(host).catch(noneOrThrow),
    ]);
    return [...v6, ...v4];
  } catch (error) {
    if (isAbsent(error)) return [];
    throw notHere(`DNS does not answer for ${host}: ${codeOf(error)}.`, error);
  }
}

function noneOrThrow(error: unknown): string[] {
  if (isAbsent(error)) return [];
  throw error;
}

function isAbsent(error: unknown): boolean {
  return ['ENOTFOUND', 'ENODATA'].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : messageOf(error);
}

type Ask = { host: string; token: string; reach: Reach; signal: AbortSignal };
type Found = { address: string; text: string | undefined; says: string };

/** The first address that takes a connection decides: an authority would not go on to the next either. */
async function askFirst(addresses: readonly string[], ask: Ask): Promise<Found> {
  let last: unknown;
  for (const address of addresses) {
    try {
      return await askAddress(address, ask);
    } catch (error) {
      last = error;
    }
  }
  throw notHere(
    `${ask.host} is at ${addresses.join(', ')}, where port ${ask.reach.port} does not answer: ${codeOf(last)}.`,
    last,
  );
}

async function askAddress(address: string, { host, token, reach, signal }: Ask): Promise<Found> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({
      host: address,
      port: reach.port,
      path: `/.well-known/acme-challenge/${token}`,
      headers: {
        Host: reach.port === 80 ? host : `${host}:${reach.port}`,
        'User-Agent': 'origan-self-check',
      },
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    });
    outgoing.once('response', resolve).once('error', reject).end();
  });
  const status = answer.statusCode ?? 0;
  if (status === 200) {
    const text = await readText(answer);
    return { address, text, says: 'is not a gateway of this installation' };
  }
  answer.destroy();
  const says =
    status >= 300 && status < 400 ? 'redirects the proof elsewhere' : `answers the proof with ${status}`;
  return { address, text: undefined, says };
}

async function readText(answer: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of answer.setEncoding('latin1')) {
    text += String(chunk);
    if (text.length > MAX_BYTES) break;
  }
  return text.trim();
}

// RFC 6890 and what IANA added to its registries, and addresses that stand for IPv4 ones behind a translator.
const PRIVATE = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  PRIVATE.addSubnet(network, bits, 'ipv4');
// Everything but global unicast; of that, what is set aside for tunnels and documents.
const GLOBAL = new BlockList();
GLOBAL.addSubnet('2000::', 3, 'ipv6');
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  PRIVATE.addSubnet(network, bits, 'ipv6');

/** Whether an address is not one of the public internet. */
export function isPrivate(address: string): boolean {
  if (!isIPv6(address)) return PRIVATE.check(address, 'ipv4');
  return !GLOBAL.check(address, 'ipv6') || PRIVATE.check(address, 'ipv6');
}
