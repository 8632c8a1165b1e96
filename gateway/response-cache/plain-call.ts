import type { IncomingHttpHeaders } from 'node:http';
import { isHopByHop } from '../../contracts/header-names.ts';
import type { Asked } from './asked.ts';
import { isForCaches, isOverride } from './request-headers.ts';
import { normalized, sentUnder } from './vary.ts';

// The list of what reaches a call whose response everybody may get (`cache.profile: "safe"`). Nothing else of the client does:
//
//   the address            method (GET or HEAD), path and query, Host, X-Forwarded-Host, X-Forwarded-Proto, Forwarded without
//                          an address: all of it is in the key
//   selecting headers      those that responses of this address named in Vary, and that stand in the key of the variant
//                          therefore, as the key has them
//   constants              CONSTANTS, Via
//   conditions of the edge If-None-Match and If-Modified-Since with the validators of what is stored, Range and If-Range for
//                          what lacks of it (ask-function.ts)
//   the platform's own     x-origan-*, which no client can send

/** What functions expect every request to have. Where Vary names one of these, it is the client's that is carried. */
const CONSTANTS: Readonly<Record<string, string>> = { accept: '*/*', 'user-agent': 'origan-edge' };

/** What the edge writes itself, part of the key or the same for all: who varies on it varies on nothing. */
const WRITTEN: ReadonlySet<string> = new Set([
  'content-length',
  'expect',
  'host',
  'via',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-server',
  'x-forwarded-ssl',
  'x-real-ip',
]);

const OF_THE_ADDRESS: ReadonlySet<string> = new Set(['forwarded', 'x-forwarded-for']);

/** Whether a header that a response names in Vary (lower case) can be carried, and tells requests apart. */
export function mayCarry(name: string): boolean {
  const isPlatform = /^x[-_]origan[-_]/.test(name);
  return !WRITTEN.has(name) && !isOverride(name) && !isForCaches(name) && !isHopByHop(name) && !isPlatform;
}

/** Whether a header tells the client's address, which is in no key: a response that varies on it is that client's. */
export function isOfAddress(name: string): boolean {
  return OF_THE_ADDRESS.has(name);
}

/** The same request with nothing left of its client but what stands in the key of the variant. */
export function asPlain(asked: Asked, names: readonly string[]): Asked {
  const headers = carriedOf(asked, names);
  return {
    ...asked,
    exchange: { ...asked.exchange, headers },
    // Nothing that a single client selects is for all.
    selecting: { ...asked.selecting, headers, digest: () => '' },
    hasAuthorization: headers.authorization !== undefined,
    reach: { kind: 'plain', names },
  };
}

/** Headers of a plain call. */
export function plainHeaders({ exchange: { headers, target }, proto, host }: Asked): [string, string][] {
  return [
    ...Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]),
    ['Host', target.host],
    ['X-Forwarded-Host', host],
    ['X-Forwarded-Proto', proto],
    ['Forwarded', `host="${host}";proto=${proto}`],
    ['Via', '1.1 origan-edge'],
  ];
}

function carriedOf({ selecting }: Asked, names: readonly string[]): IncomingHttpHeaders {
  const carried: IncomingHttpHeaders = {};
  for (const [name, value] of Object.entries(CONSTANTS)) if (!names.includes(name)) carried[name] = value;
  for (const name of names) {
    const raw = sentUnder(selecting.headers, name);
    if (raw !== undefined) carried[name] = spelled(name, normalized(name, raw, selecting.profile));
  }
  return carried;
}

/** Language tags as they are usually spelled (RFC 5646 section 2.1.1): some functions compare them letter by letter. */
function spelled(name: string, value: string): string {
  if (name !== 'accept-language') return value;
  return value.replaceAll(/-([a-z]{2})(?![a-z0-9])/g, (region) => region.toUpperCase());
}
