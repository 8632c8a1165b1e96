import { z } from 'zod';
import { whyUnsafePath } from '../core/object-path.ts';
import { whyRefusedHeaderName, whyRefusedHeaderValue } from './header-names.ts';

/** A key of the bucket has at most 1024 bytes, `deployments/{id}/` included. */
const MAX_RESOURCE_PATH_BYTES = 880;

/** Content codings that the edge stores (RFC 9110 section 8.4.1, RFC 7932 `br`, RFC 8878 `zstd`). */
export type Encoding = 'br' | 'zstd' | 'gzip';
export const ENCODINGS: readonly Encoding[] = ['br', 'zstd', 'gzip'];

/** An encoded form of a file, made at deploy. `hash` is the SHA-256 (hex) of the encoded bytes. */
export type EncodedForm = { hash: string; size: number };

export type StaticResource = {
  kind: 'static';
  /** Path of the URL, unencoded, with its leading slash: `/a b.html`. */
  urlPath: string;
  /** Path of the object within the deployment, without a leading slash. Never validated upstream. */
  resourcePath: string;
  /** Response headers of this one file; they win over the edge's defaults. */
  headers?: Record<string, string> | undefined;
  /** SHA-256 of the identity bytes, lower-case hex. */
  hash?: string | undefined;
  /** Size of the identity bytes. */
  size?: number | undefined;
  /** Whether the name carries a hash of the content, so that the URL is immutable (RFC 8246). */
  fingerprinted?: boolean | undefined;
  encodings?: { [Name in Encoding]?: EncodedForm | undefined } | undefined;
};

export type FunctionResource = {
  kind: 'dynamic';
  /** Route: literal segments, `:param` segments, `*` last. */
  urlPath: string;
  resourcePath: string;
  /** Methods answered; every method when absent or empty. */
  methods?: string[] | undefined;
  headers?: Record<string, string> | undefined;
  wildcard?: boolean | undefined;
  /** SHA-256 of the code, lower-case hex. */
  hash?: string | undefined;
  size?: number | undefined;
};

export type Resource = StaticResource | FunctionResource;

/** A compiled line of `_redirects`. `from` may hold `:name` segments and one `*` (last). 200 rewrites internally. */
export type RedirectRule = {
  from: string;
  to: string;
  status: 200 | 301 | 302 | 303 | 307 | 308;
  /** `!`: applies even where a file exists at the path. */
  force?: boolean | undefined;
};

/** A compiled block of `_headers`: names in `set` append when an earlier rule set them too; `remove` takes away. */
export type HeaderRule = {
  for: string;
  set: [name: string, value: string][];
  remove?: string[] | undefined;
};

export type CacheOptions = {
  /** `safe` (default): nothing stored without an explicit lifetime. `rfc`: all that RFC 9111 lets a shared cache do. */
  profile?: 'safe' | 'rfc' | undefined;
  /** Query parameters left out of the cache key (tracking parameters): names, or prefixes ending in `*`. */
  ignoreQuery?: string[] | undefined;
  /** Whether Cache-Control of requests is honoured; default true. */
  honorRequestDirectives?: boolean | undefined;
};

/** What a deployment consists of (`config` in Origan's words). A manifest without the optional fields works. */
export type Manifest = {
  version: number;
  domain_placeholder?: string | undefined;
  resources: Resource[];
  /**
   * Where the objects are: `by-path` (default, Origan's present ones) under `deployments/{id}/{resourcePath}`;
   * `by-hash` under `projects/{project}/objects/{hash}`, shared by the deployments of one project.
   */
  objects?: 'by-path' | 'by-hash' | undefined;
  /** Clean URLs; absent means `off`. */
  html?: 'auto' | 'slash' | 'no-slash' | 'off' | undefined;
  /** `spa`: navigations that match nothing get /index.html. `404`: the nearest 404.html. Absent: see compile-site. */
  notFound?: 'spa' | '404' | undefined;
  redirects?: RedirectRule[] | undefined;
  headers?: HeaderRule[] | undefined;
  /** Whether header rules apply to function responses too; default false. */
  headersOnFunctions?: boolean | undefined;
  /**
   * Whether pages set a cookie that keeps what they ask for on their own build; default false. Query and header pin
   * without it.
   */
  pinByCookie?: boolean | undefined;
  cache?: CacheOptions | undefined;
};

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const size = z.number().int().nonnegative();
const headers = z.record(z.string(), z.string());
const encodedForm = z.object({ hash: sha256, size });
const optional = <Type extends z.ZodType>(type: Type): z.ZodCatch<z.ZodOptional<Type>> =>
  // A field of ours that does not parse is treated as absent: the file is still served, only less cleverly.
  z.optional(type).catch(undefined);

const staticResource = z.object({
  kind: z.literal('static'),
  urlPath: z.string(),
  resourcePath: z.string(),
  headers: optional(headers),
  hash: optional(sha256),
  size: optional(size),
  fingerprinted: optional(z.boolean()),
  encodings: optional(
    z.object({ br: encodedForm.optional(), zstd: encodedForm.optional(), gzip: encodedForm.optional() }),
  ),
});

const functionResource = z.object({
  kind: z.literal('dynamic'),
  urlPath: z.string(),
  resourcePath: z.string(),
  methods: optional(z.array(z.string())),
  headers: optional(headers),
  wildcard: optional(z.boolean()),
  hash: optional(sha256),
  size: optional(size),
});

const resource = z.discriminatedUnion('kind', [staticResource, functionResource]);

/** What a redirect rule may answer; 200 is a rewrite. */
export const redirectStatusSchema: z.ZodType<RedirectRule['status']> = z.union([
  z.literal(200),
  z.literal(301),
  z.literal(302),
  z.literal(303),
  z.literal(307),
  z.literal(308),
]);

const redirectRule = z.object({
  from: z.string().startsWith('/'),
  to: z.string().min(1),
  status: redirectStatusSchema,
  force: z.boolean().optional(),
});

const headerRule = z.object({
  for: z.string().startsWith('/'),
  set: z.array(z.tuple([z.string(), z.string()])),
  remove: z.array(z.string()).optional(),
});

const manifestFrame = z.object({
  version: z.number().int(),
  domain_placeholder: optional(z.string()),
  resources: z.array(z.unknown()),
  objects: z.enum(['by-path', 'by-hash']).optional(),
  html: z.enum(['auto', 'slash', 'no-slash', 'off']).optional(),
  notFound: z.enum(['spa', '404']).optional(),
  redirects: z.array(redirectRule).optional(),
  headers: z.array(headerRule).optional(),
  headersOnFunctions: z.boolean().optional(),
  pinByCookie: z.boolean().optional(),
  cache: z
    .object({
      profile: z.enum(['safe', 'rfc']).optional(),
      ignoreQuery: z.array(z.string()).optional(),
      honorRequestDirectives: z.boolean().optional(),
    })
    .optional(),
});

/** The manifest as JSON Schema, for descriptions of the interface. */
export function manifestJsonSchema(): Record<string, unknown> {
  const schema = manifestFrame.extend({ resources: z.array(resource) });
  const { $schema: _dialect, ...described } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return described;
}

/** Rows of before the manifest had versions: answered as if empty. */
const legacyFrame = z.object({ app: z.array(z.unknown()), api: z.array(z.unknown()) });

export type ParsedManifest =
  | { kind: 'valid'; manifest: Manifest; warnings: string[] }
  | { kind: 'invalid'; problem: string };

/**
 * Reads a manifest from outside. A resource that is malformed, or whose paths could reach another object, is
 * left out with a warning and the others are served; a frame that does not parse makes the whole manifest
 * invalid. Warnings are meant for the log, once per deployment.
 */
export function parseManifest(input: unknown): ParsedManifest {
  const frame = manifestFrame.safeParse(input);
  if (frame.success) return withCheckedResources(frame.data);
  if (legacyFrame.safeParse(input).success) {
    const warnings = ['an old manifest of the form {app, api}: answered as if empty'];
    return { kind: 'valid', manifest: { version: 1, resources: [] }, warnings };
  }
  return { kind: 'invalid', problem: z.prettifyError(frame.error) };
}

function withCheckedResources(frame: z.output<typeof manifestFrame>): ParsedManifest {
  const warnings: string[] = [];
  const resources: Resource[] = [];
  for (const [index, candidate] of frame.resources.entries()) {
    const parsed = resource.safeParse(candidate);
    const problem = parsed.success ? whyUnusable(parsed.data) : 'is malformed';
    if (!parsed.success || problem !== undefined) {
      warnings.push(`resource ${index} left out: it ${problem}`);
      continue;
    }
    const { kept, problems } = withoutRefusedHeaders(parsed.data);
    resources.push(kept);
    warnings.push(...problems.map((text) => `resource ${index}: ${text}`));
  }
  return { kind: 'valid', manifest: { ...frame, resources }, warnings };
}

function whyUnusable({ urlPath, resourcePath }: Resource): string | undefined {
  if (!urlPath.startsWith('/')) return 'has a urlPath without a leading slash';
  const unsafe = whyUnsafePath(resourcePath);
  if (unsafe !== undefined) return `has a resourcePath that ${unsafe}`;
  const isTooLong = Buffer.byteLength(resourcePath) > MAX_RESOURCE_PATH_BYTES;
  return isTooLong ? `has a resourcePath of more than ${MAX_RESOURCE_PATH_BYTES} bytes` : undefined;
}

/** A header that could not be sent would turn every answer with it into an error. */
function withoutRefusedHeaders(candidate: Resource): { kept: Resource; problems: string[] } {
  const problems: string[] = [];
  const kept = Object.entries(candidate.headers ?? {}).filter(([name, value]) => {
    const badValue = whyRefusedHeaderValue(value);
    const problem =
      whyRefusedHeaderName(name) ?? (badValue === undefined ? undefined : `its value ${badValue}`);
    if (problem !== undefined) problems.push(`header ${JSON.stringify(name)} left out: ${problem}`);
    return problem === undefined;
  });
  return problems.length === 0
    ? { kept: candidate, problems }
    : { kept: { ...candidate, headers: Object.fromEntries(kept) }, problems };
}
