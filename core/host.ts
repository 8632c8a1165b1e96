import { domainToASCII } from 'node:url';

const MAX_HOST_LENGTH = 253;
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
const IPV6 = /^\[[0-9a-f:.]+\]$/;

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
  if (IPV6.test(lower)) return lower;
  const dotless = lower.endsWith('.') ? lower.slice(0, -1) : lower;
  const ascii = isPlainAscii(dotless) ? dotless : domainToASCII(dotless);
  if (ascii === '' || ascii.length > MAX_HOST_LENGTH) return undefined;
  return ascii.split('.').every((label) => LABEL.test(label)) ? ascii : undefined;
}

function isPlainAscii(text: string): boolean {
  return /^[\x21-\x7e]*$/.test(text);
}
