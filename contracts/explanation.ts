import { z } from 'zod';
import { redirectStatusSchema, type HeaderRule, type RedirectRule } from './manifest.ts';

/** How a gateway answers a URL, and why: the answer of `GET /explain?url=&method=` on its admin port. */
export type Explanation = {
  url: string;
  method: string;
  /** Normalised. */
  host: string;
  /** Decoded and with dots resolved: what files are looked up by. */
  path: string;
  mapping: {
    /** Key under which the host was found; null when it is not in the cache now. */
    key: string | null;
    /** Where this gateway got it from just now. */
    source: 'near' | 'shared' | 'loader' | 'last-known-good' | null;
    ageMs: number | null;
    rev: number | null;
  };
  projectId: string;
  deploymentId: string;
  isPreview: boolean;
  route: ExplainedRoute;
  /** Redirect rules whose source matches the path, in the order in which they are tried. */
  redirects: RedirectRule[];
  /** Header rules that apply, in their order; those for files say nothing of functions unless the site wants it. */
  headers: HeaderRule[];
};

export type ExplainedRoute =
  | {
      kind: 'file';
      status: 200 | 404;
      /** Shown in place of what was asked for: a single-page application's index, or an error page. */
      isFallback: boolean;
      urlPath: string;
      objectKey: string;
      hash: string | null;
      size: number | null;
      contentType: string;
      isImmutable: boolean;
      encodings: { coding: string; size: number }[];
    }
  | {
      kind: 'function';
      urlPath: string;
      objectKey: string;
      hash: string | null;
      methods: string[] | null;
      /** Path and query that it is called with, where a rewrite changed them. */
      rewrittenTo: string | null;
      /** Under which its response would be stored, before Vary. */
      cacheKey: string;
      profile: 'safe' | 'rfc';
      /** Tags that every response of it carries, beside those that it names itself. */
      tags: string[];
    }
  | { kind: 'redirect'; status: number; location: string }
  | { kind: 'options' | 'wrong-method'; allow: string }
  | { kind: 'not-found' };

const nullableText = z.string().nullable();
const nullableNumber = z.number().nullable();

const route: z.ZodType<ExplainedRoute> = z.union([
  z.object({
    kind: z.literal('file'),
    status: z.union([z.literal(200), z.literal(404)]),
    isFallback: z.boolean(),
    urlPath: z.string(),
    objectKey: z.string(),
    hash: nullableText,
    size: nullableNumber,
    contentType: z.string(),
    isImmutable: z.boolean(),
    encodings: z.array(z.object({ coding: z.string(), size: z.number() })),
  }),
  z.object({
    kind: z.literal('function'),
    urlPath: z.string(),
    objectKey: z.string(),
    hash: nullableText,
    methods: z.array(z.string()).nullable(),
    rewrittenTo: nullableText,
    cacheKey: z.string(),
    profile: z.enum(['safe', 'rfc']),
    tags: z.array(z.string()),
  }),
  z.object({ kind: z.literal('redirect'), status: z.number(), location: z.string() }),
  z.object({ kind: z.enum(['options', 'wrong-method']), allow: z.string() }),
  z.object({ kind: z.literal('not-found') }),
]);

export const explanationSchema: z.ZodType<Explanation> = z.object({
  url: z.string(),
  method: z.string(),
  host: z.string(),
  path: z.string(),
  mapping: z.object({
    key: nullableText,
    source: z.enum(['near', 'shared', 'loader', 'last-known-good']).nullable(),
    ageMs: nullableNumber,
    rev: nullableNumber,
  }),
  projectId: z.string(),
  deploymentId: z.string(),
  isPreview: z.boolean(),
  route,
  redirects: z.array(
    z.object({
      from: z.string(),
      to: z.string(),
      status: redirectStatusSchema,
      force: z.boolean().optional(),
    }),
  ),
  headers: z.array(
    z.object({
      for: z.string(),
      set: z.array(z.tuple([z.string(), z.string()])),
      remove: z.array(z.string()).optional(),
    }),
  ),
});
