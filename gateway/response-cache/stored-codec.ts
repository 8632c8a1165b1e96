import { z } from 'zod';
import type { StoredResponse } from './stored-response.ts';

const LENGTH_BYTES = 4;

const metaSchema = z.object({
  status: z.number().int(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  requestedAtMs: z.number(),
  receivedAtMs: z.number(),
  initialAgeMs: z.number(),
  lifetimeMs: z.number(),
  staleWhileRevalidateMs: z.number(),
  staleIfErrorMs: z.number(),
  isNoCache: z.boolean(),
  isNeverStale: z.boolean(),
  isStaleOnlyIfAllowed: z.boolean(),
  isForAuthorized: z.boolean(),
  etag: z.string().optional(),
  lastModified: z.string().optional(),
  varyNames: z.array(z.string()),
  variant: z.string(),
  partial: z
    .object({
      ranges: z.array(z.object({ start: z.number().int(), end: z.number().int() })),
      totalBytes: z.number().int(),
    })
    .optional(),
  markers: z.object({
    projectId: z.string(),
    tags: z.array(z.string()),
    versions: z.array(z.string()),
  }),
});

const indexSchema = z.object({
  /** Sets of selecting headers under which variants are stored, the latest first. */
  varySets: z.array(z.array(z.string())),
  /** A response that varies on nothing stands here itself: one look-up finds it. */
  inline: metaSchema.optional(),
});

/** What stands under a primary key in the shared cache. */
export type UrlIndex = { varySets: readonly (readonly string[])[]; inline: StoredResponse | undefined };

export function encodeIndex({ varySets, inline }: UrlIndex): Buffer {
  const { body, ...meta } = inline ?? { body: Buffer.alloc(0) };
  return frame(inline === undefined ? { varySets } : { varySets, inline: meta }, body);
}

/** Undefined when it is not what this version writes. */
export function decodeIndex(bytes: Buffer): UrlIndex | undefined {
  const parts = unframe(bytes);
  const parsed = parts === undefined ? undefined : indexSchema.safeParse(parts.meta);
  if (parts === undefined || parsed?.success !== true) return undefined;
  const { varySets, inline } = parsed.data;
  return { varySets, inline: inline === undefined ? undefined : withBody(inline, parts.body) };
}

export function encodeStored({ body, ...meta }: StoredResponse): Buffer {
  return frame(meta, body);
}

export function decodeStored(bytes: Buffer): StoredResponse | undefined {
  const parts = unframe(bytes);
  const parsed = parts === undefined ? undefined : metaSchema.safeParse(parts.meta);
  return parts !== undefined && parsed?.success === true ? withBody(parsed.data, parts.body) : undefined;
}

function withBody(meta: z.output<typeof metaSchema>, body: Buffer): StoredResponse {
  const { etag, lastModified, partial } = meta;
  return { ...meta, etag, lastModified, partial, body };
}

/** Length of the JSON, the JSON, the body as it is. */
function frame(meta: object, body: Buffer): Buffer {
  const json = Buffer.from(JSON.stringify(meta));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, body]);
}

function unframe(bytes: Buffer): { meta: unknown; body: Buffer } | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined;
  const end = LENGTH_BYTES + bytes.readUInt32BE();
  if (end > bytes.length) return undefined;
  try {
    return { meta: JSON.parse(bytes.toString('utf8', LENGTH_BYTES, end)), body: bytes.subarray(end) };
  } catch {
    // Not ours: whatever does not parse is a miss.
    return undefined;
  }
}
