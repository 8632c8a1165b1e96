// RFC 9110 section 7.6.1, and names that proxies of old used.
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Whether a header (name in lower case) is about one connection and never passed on. What begins with `Proxy-` was made for
 * the next proxy alone; Proxy-Status (RFC 9209) is made for the client.
 */
export function isHopByHop(lowerName: string): boolean {
  return HOP_BY_HOP.has(lowerName) || (lowerName.startsWith('proxy-') && lowerName !== 'proxy-status');
}

/**
 * Response headers, beside hop-by-hop ones, that a site's rules may not touch, since the edge's own correctness rests on them: framing
 * (RFC 9112 section 6), validators and what describes the chosen representation (RFC 9110 section 8), and what only the
 * platform may say.
 */
const REFUSED: ReadonlySet<string> = new Set([
  'accept-ranges',
  'age',
  'cache-status',
  'content-encoding',
  'content-length',
  'content-range',
  'date',
  'etag',
  'last-modified',
  'via',
]);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const MAX_VALUE_LENGTH = 8192;

/** Why a header rule may not set or remove this name, or undefined when it may. */
export function whyRefusedHeaderName(name: string): string | undefined {
  if (!TOKEN.test(name)) return 'is no header name';
  const lower = name.toLowerCase();
  if (REFUSED.has(lower) || isHopByHop(lower)) return 'is set by the edge and cannot be changed';
  return lower.startsWith('x-origan-') ? 'is reserved for the platform' : undefined;
}

/** Why a value cannot be sent as a header (RFC 9110 section 5.5), or undefined when it can. */
export function whyRefusedHeaderValue(value: string): string | undefined {
  if (value.length > MAX_VALUE_LENGTH) return `is longer than ${MAX_VALUE_LENGTH} characters`;
  // Beyond Latin-1 a header has no bytes; control characters would split it.
  return /^[\t\u0020-\u007E\u0080-\u00FF]*$/.test(value)
    ? undefined
    : 'contains a character that no header can carry';
}
