import type { HeaderList } from '../../../../runner-client/runner-client.ts';

/** Directives of a response, as numbers and flags: the reference never reads a header. */
export type Directives = {
  maxAge?: number;
  sMaxage?: number;
  noStore?: true;
  noCache?: true;
  private?: true;
  public?: true;
  mustRevalidate?: true;
  proxyRevalidate?: true;
  mustUnderstand?: true;
  swr?: number;
  sie?: number;
};

/** Fields of a response that a later message may replace one by one. */
export type Fields = {
  cacheControl?: Directives;
  /** `broken`: a field that does not parse. */
  targeted?: Directives | 'broken';
  /** Seconds after the Date; `zero` is the famous "0". */
  expires?: number | 'zero';
  etag?: string;
  lastModified?: number;
  vary?: readonly string[] | '*';
  tags?: readonly string[];
  setCookie?: true;
};

/** What a function answers at an address until it is changed. */
export type Content = {
  /** Its body, see `textOf`: tells contents apart. */
  version: number;
  /** Ranges are answered with what was asked for. */
  isRanged?: true;
  status: number;
  fields: Fields;
  /** Seconds. */
  age?: number;
  /** How far the function's clock is off, seconds; undefined: it sends no Date. */
  clockOff?: number;
};

const DIRECTIVE_NAMES: Record<keyof Directives, string> = {
  maxAge: 'max-age',
  sMaxage: 's-maxage',
  noStore: 'no-store',
  noCache: 'no-cache',
  private: 'private',
  public: 'public',
  mustRevalidate: 'must-revalidate',
  proxyRevalidate: 'proxy-revalidate',
  mustUnderstand: 'must-understand',
  swr: 'stale-while-revalidate',
  sie: 'stale-if-error',
};

/** Bytes of every body. */
export const SIZE = 12;

export function textOf({ version }: Content): string {
  return String(version).padStart(SIZE, '0');
}

/** The content as a message of HTTP. */
export function toHeaders({ fields, age, clockOff }: Content, nowMs: number): HeaderList {
  const headers: [string, string][] = [];
  const dateMs = nowMs + (clockOff ?? 0) * 1000;
  if (clockOff !== undefined) headers.push(['Date', httpDate(dateMs)]);
  if (fields.cacheControl !== undefined) headers.push(['Cache-Control', toText(fields.cacheControl)]);
  if (fields.targeted !== undefined) {
    const value = fields.targeted === 'broken' ? 'max-age=9999, &&' : toText(fields.targeted);
    headers.push(['CDN-Cache-Control', value]);
  }
  if (fields.expires !== undefined) {
    headers.push(['Expires', fields.expires === 'zero' ? '0' : httpDate(dateMs + fields.expires * 1000)]);
  }
  if (fields.etag !== undefined) headers.push(['ETag', fields.etag]);
  if (fields.lastModified !== undefined) headers.push(['Last-Modified', httpDate(fields.lastModified)]);
  if (fields.vary !== undefined) headers.push(['Vary', fields.vary === '*' ? '*' : fields.vary.join(', ')]);
  if (fields.tags !== undefined) headers.push(['Cache-Tag', fields.tags.join(',')]);
  if (fields.setCookie === true) headers.push(['Set-Cookie', 'a=b']);
  if (age !== undefined) headers.push(['Age', String(age)]);
  return headers;
}

export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

function toText(directives: Directives): string {
  const parts = (Object.keys(directives) as (keyof Directives)[]).map((name) => {
    const value = directives[name];
    return value === true ? DIRECTIVE_NAMES[name] : `${DIRECTIVE_NAMES[name]}=${value}`;
  });
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}
