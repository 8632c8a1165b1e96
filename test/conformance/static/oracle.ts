import { createHash } from 'node:crypto';

// What a file server must answer, written down from RFC 9110 and the documentation of the edge (docs/static-files.md).
// It knows nothing of the gateway's code: where the two differ, one of them is wrong.

export type Coding = 'br' | 'zstd' | 'gzip' | 'identity';

/** A file as the oracle sees it. */
export type Resource = {
  name: string;
  path: string;
  /** Bytes of each form that exists. */
  forms: Partial<Record<Coding, Buffer>> & { identity: Buffer };
  hasTag: boolean;
  /** HTTP-date in the preferred form. */
  lastModified?: string;
  /** Whether other requests may get another form. */
  varies: boolean;
  /** Forms that are streamed from the bucket each time. */
  streamed?: readonly Coding[];
  contentType: string;
  cacheControl: string;
  /** What the site's own rules add. */
  extra?: Readonly<Record<string, string>>;
};

export type Request = { method: string; headers: Readonly<Record<string, string>> };

export type Expected = {
  status: number;
  /** Every header but Date, Connection, Keep-Alive and X-Origan-Request-Id, names in lower case. */
  headers: Record<string, string>;
  body: Buffer | { error: string; text: string };
};

const TEXTS: Readonly<Record<string, string>> = {
  METHOD_NOT_ALLOWED: 'This resource does not support the method.',
  NOT_ACCEPTABLE: 'No form of this resource is acceptable to the client.',
  PRECONDITION_FAILED: 'The resource has changed.',
  RANGE_NOT_SATISFIABLE: 'The requested range lies outside the resource.',
};

const EMPTY = Buffer.alloc(0);

export function expect(resource: Resource, request: Request): Expected {
  const { method } = request;
  // The site's own headers are on whatever is said about the file.
  const extra = resource.extra ?? {};
  const error = (status: number, code: string, more: Record<string, string>): Expected =>
    errorOf(status, code, { ...extra, ...more });
  if (method === 'OPTIONS') {
    return {
      status: 204,
      headers: { allow: 'GET, HEAD, OPTIONS', 'cache-status': 'origan-edge', ...extra },
      body: EMPTY,
    };
  }
  if (method !== 'GET' && method !== 'HEAD') {
    return error(405, 'METHOD_NOT_ALLOWED', { allow: 'GET, HEAD, OPTIONS' });
  }
  const accepted = acceptedForms(resource, request.headers['accept-encoding']);
  const range = applicableRange(resource, request, accepted);
  const coding = range === undefined ? accepted[0] : 'identity';
  const vary: Record<string, string> = resource.varies ? { vary: varyOf(resource) } : {};
  if (coding === undefined) return error(406, 'NOT_ACCEPTABLE', { vary: varyOf(resource) });
  const outcome = conditions(resource, coding, request.headers);
  if (outcome === 412) return error(412, 'PRECONDITION_FAILED', vary);
  if (outcome === 304) return { status: 304, headers: headersOf(resource, coding, 304), body: EMPTY };
  return range === undefined ? full(resource, coding) : partial(resource, range, vary);
}

function full(resource: Resource, coding: Coding): Expected {
  const body = resource.forms[coding] ?? EMPTY;
  const headers = { ...headersOf(resource, coding, 200), 'content-length': String(body.length) };
  return { status: 200, headers, body };
}

type Range = { kind: 'int'; first: bigint; last: bigint | undefined } | { kind: 'suffix'; length: bigint };

/** RFC 9110 sections 14.1.2, 15.3.7 and 15.5.17. */
function partial(resource: Resource, range: Range, vary: Record<string, string>): Expected {
  const bytes = resource.forms.identity;
  const size = BigInt(bytes.length);
  if (range.kind === 'suffix' && range.length > 0n && size === 0n) return full(resource, 'identity');
  const first = range.kind === 'int' ? range.first : range.length > size ? 0n : size - range.length;
  if (first >= size) {
    return errorOf(416, 'RANGE_NOT_SATISFIABLE', {
      ...resource.extra,
      ...vary,
      'content-range': `bytes */${size}`,
    });
  }
  const wanted = range.kind === 'int' && range.last !== undefined ? range.last : size - 1n;
  const last = wanted < size - 1n ? wanted : size - 1n;
  const body = bytes.subarray(Number(first), Number(last) + 1);
  const headers = {
    ...headersOf(resource, 'identity', 206),
    'content-range': `bytes ${first}-${last}/${size}`,
    'content-length': String(body.length),
  };
  return { status: 206, headers, body };
}

function headersOf(resource: Resource, coding: Coding, status: number): Record<string, string> {
  const tag = tagOf(resource, coding);
  const always = {
    'cache-control': resource.cacheControl,
    'cache-status':
      resource.streamed?.includes(coding) === true ? 'origan-edge; fwd=bypass' : 'origan-edge; hit',
    ...(tag === undefined ? {} : { etag: tag }),
    ...(resource.lastModified === undefined ? {} : { 'last-modified': resource.lastModified }),
    ...(resource.varies ? { vary: varyOf(resource) } : {}),
    ...Object.fromEntries(Object.entries(resource.extra ?? {}).filter(([name]) => name !== 'vary')),
  };
  if (status === 304) return always;
  return {
    ...always,
    'content-type': resource.contentType,
    'x-content-type-options': 'nosniff',
    ...(coding === 'identity' ? { 'accept-ranges': 'bytes' } : { 'content-encoding': coding }),
  };
}

function varyOf(resource: Resource): string {
  return ['Accept-Encoding', resource.extra?.['vary']].filter((each) => each !== undefined).join(', ');
}

function errorOf(status: number, code: string, more: Record<string, string>): Expected {
  return {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'cache-status': `origan-edge; detail=${code}`,
      'x-content-type-options': 'nosniff',
      ...more,
    },
    body: { error: code, text: TEXTS[code] ?? '' },
  };
}

/** Every coding its own strong tag: the hash of the content, and a suffix (RFC 9110 section 8.8.3.3). */
export function tagOf({ hasTag, forms }: Resource, coding: Coding): string | undefined {
  if (!hasTag) return undefined;
  const hash = createHash('sha256').update(forms.identity).digest('hex').slice(0, 32);
  return `"${hash}${{ br: '-br', zstd: '-zst', gzip: '-gz', identity: '' }[coding]}"`;
}

/** RFC 9110 section 12.5.3: forms that exist and are acceptable, best first. */
function acceptedForms({ forms }: Resource, field: string | undefined): Coding[] {
  if (field === undefined) return ['identity'];
  const weights = new Map<string, number>();
  for (const element of field.split(',')) {
    const [name = '', ...parameters] = element.split(';').map((each) => each.trim().toLowerCase());
    const weight = parameters.find((each) => each.startsWith('q='));
    if (name !== '') weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)));
  }
  const order: Coding[] = ['br', 'zstd', 'gzip', 'identity'];
  // Identity that nobody mentions is acceptable, but the last choice.
  const weightOf = (coding: Coding): number =>
    weights.get(coding) ?? weights.get('*') ?? (coding === 'identity' ? Number.MIN_VALUE : 0);
  return order
    .filter((coding) => forms[coding] !== undefined && weightOf(coding) > 0)
    .toSorted((a, b) => weightOf(b) - weightOf(a) || order.indexOf(a) - order.indexOf(b));
}

/** RFC 9110 sections 14.2 and 13.1.5: of the identity form alone, GET alone, one range alone. */
function applicableRange(
  resource: Resource,
  { method, headers }: Request,
  accepted: readonly Coding[],
): Range | undefined {
  const field = headers['range'];
  if (field === undefined || method !== 'GET' || !accepted.includes('identity')) return undefined;
  const match = /^bytes=(?:(\d+)-(\d+)?|-(\d+))$/.exec(field);
  if (match === null) return undefined;
  const [, first, last, suffix] = match;
  if (last !== undefined && BigInt(last) < BigInt(first ?? 0)) return undefined;
  const ifRange = headers['if-range'];
  const holds =
    ifRange === undefined ||
    (ifRange.startsWith('"') ? ifRange === tagOf(resource, 'identity') : ifRange === resource.lastModified);
  if (!holds) return undefined;
  if (suffix !== undefined) return { kind: 'suffix', length: BigInt(suffix) };
  return { kind: 'int', first: BigInt(first ?? 0), last: last === undefined ? undefined : BigInt(last) };
}

/** RFC 9110 section 13.2.2. */
function conditions(resource: Resource, coding: Coding, headers: Request['headers']): 200 | 304 | 412 {
  const tag = tagOf(resource, coding);
  const modified = resource.lastModified === undefined ? undefined : Date.parse(resource.lastModified);
  const ifMatch = headers['if-match'];
  const unmodifiedSince = dateOf(headers['if-unmodified-since']);
  if (ifMatch !== undefined) {
    const tags = tagsOf(ifMatch);
    if (ifMatch !== '*' && (tag === undefined || !tags.includes(tag))) return 412;
  } else if (unmodifiedSince !== undefined && modified !== undefined && modified > unmodifiedSince)
    return 412;
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) {
    const tags = tagsOf(ifNoneMatch).map((each) => each.replace(/^W\//, ''));
    return ifNoneMatch === '*' || (tag !== undefined && tags.includes(tag)) ? 304 : 200;
  }
  const modifiedSince = dateOf(headers['if-modified-since']);
  return modifiedSince !== undefined && modified !== undefined && modified <= modifiedSince ? 304 : 200;
}

function tagsOf(field: string): string[] {
  const elements = field.split(',').map((each) => each.trim());
  return elements.every((each) => /^(?:W\/)?"[^"]*"$/.test(each)) ? elements : [];
}

function dateOf(field: string | undefined): number | undefined {
  return field !== undefined && /^\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(field)
    ? Date.parse(field)
    : undefined;
}
