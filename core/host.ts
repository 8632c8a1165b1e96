import { isUtf8 } from 'node:buffer';
import { isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

const MAX_HOST_LENGTH = 253;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
// Besides letters of other scripts, which IDNA translates, nothing but these can be part of a host.
const FORBIDDEN_ASCII = /[^a-z0-9._\-\u0080-\u{10ffff}]/u;

/**
 * A host in the form in which it is a key: lower case, IDNA A-labels, no trailing dot; the port is kept unless
 * it is the default of http or https. Undefined when it is no valid host (RFC 3986 section 3.2.2, RFC 9110 section 4.2.3).
 */
export function normalizeHost(authority: string): string | undefined {
  const split = splitPort(authority);
  if (split === undefined) return undefined;
  const name = normalizeName(split.name);
  if (name === undefined) return undefined;
  return split.port === '' || split.port === '80' || split.port === '443' ? name : `${name}:${split.port}`;
}

/**
 * The same for a Host field as Node gives it, a character for each byte. Bytes beyond ASCII are UTF-8, the one encoding of
 * URIs (RFC 3986 section 3.2.2); what is not could be read as one host or another.
 */
export function normalizeHostField(field: string): string | undefined {
  if (isAscii(field)) return normalizeHost(field);
  const bytes = Buffer.from(field, 'latin1');
  return isUtf8(bytes) ? normalizeHost(bytes.toString('utf8')) : undefined;
}

/** The normalised host without its port. */
export function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':');
  return colon === -1 || host.endsWith(']') ? host : host.slice(0, colon);
}

function splitPort(authority: string): { name: string; port: string } | undefined {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{0,5}))?$/.exec(authority);
  if (match === null) return undefined;
  const port = match[2] ?? '';
  if (port !== '' && (Number(port) > 65_535 || Number(port) === 0)) return undefined;
  return { name: match[1] ?? '', port: port === '' ? '' : String(Number(port)) };
}

function normalizeName(raw: string): string | undefined {
  const lower = raw.toLowerCase();
  if (lower.startsWith('[')) return normalizeIPv6(lower.slice(1, -1));
  // Asked before IDNA: the URL parser behind it drops tabs, and takes a path, query or fragment for its own.
  if (lower.length > MAX_HOST_LENGTH + 1 || FORBIDDEN_ASCII.test(lower)) return undefined;
  const ascii = isAscii(lower) ? lower : domainToASCII(lower);
  const dotless = ascii.endsWith('.') ? ascii.slice(0, -1) : ascii;
  if (dotless === '' || dotless.length > MAX_HOST_LENGTH) return undefined;
  return dotless.split('.').every((label) => LABEL.test(label)) ? dotless : undefined;
}

/** In the one form of RFC 5952: an address that can be written in two ways is still one key. */
function normalizeIPv6(address: string): string | undefined {
  if (!isIPv6(address) || address.includes('%')) return undefined;
  return URL.parse(`http://[${address}]`)?.hostname;
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}
