import { EdgeError } from '../../core/errors.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import type { Answer, Exchange } from '../exchange.ts';
import type { CompiledFile } from '../site/compile-site.ts';
import type { Content, ContentCache } from './content-cache.ts';

export type FileServer = {
  serve(exchange: Exchange, file: CompiledFile, status: 200 | 404): Promise<Answer>;
};

export type FileServerParts = {
  contents: ContentCache;
  store: ObjectStore;
  /** Larger files stream from the bucket and do not pass through memory. */
  maxEntryBytes: number;
};

export function createFileServer(parts: FileServerParts): FileServer {
  return {
    serve: async (exchange, file, status) => {
      const known = parts.contents.get(file.contentId);
      exchange.event.cache = known === undefined ? 'miss' : 'hit';
      if (known !== undefined) return whole(exchange, file, known, status);
      if (await isLarge(parts, file)) return streamed(parts.store, exchange, file, status);
      const content = await parts.contents.fill(file.contentId, file.resource.hash, () =>
        parts.store.read(file.objectKey, { maxBytes: parts.maxEntryBytes }),
      );
      if (content === undefined) throw missing(file);
      return whole(exchange, file, content, status);
    },
  };
}

async function isLarge({ store, maxEntryBytes }: FileServerParts, file: CompiledFile): Promise<boolean> {
  const size = file.resource.size ?? (await store.head(file.objectKey))?.size;
  if (size === undefined) throw missing(file);
  return size > maxEntryBytes;
}

function whole(exchange: Exchange, file: CompiledFile, content: Content, status: 200 | 404): Answer {
  const etag = `"${content.hash.slice(0, 32)}"`;
  const headers = [...representationHeaders(exchange, file), 'ETag', etag];
  if (status === 200 && matches(exchange.headers['if-none-match'], etag))
    return { status: 304, headers, body: null };
  headers.push('Content-Type', file.contentType, 'Content-Length', String(content.body.length));
  return { status, headers, body: content.body };
}

async function streamed(
  store: ObjectStore,
  exchange: Exchange,
  file: CompiledFile,
  status: number,
): Promise<Answer> {
  const abort = new AbortController();
  exchange.outgoing.once('close', () => abort.abort());
  const object = await store.get(file.objectKey, { signal: abort.signal });
  if (object === undefined) throw missing(file);
  const headers = representationHeaders(exchange, file);
  if (file.resource.hash !== undefined) headers.push('ETag', `"${file.resource.hash.slice(0, 32)}"`);
  headers.push('Content-Type', file.contentType, 'Content-Length', String(object.size));
  return { status, headers, body: object.body };
}

function representationHeaders(exchange: Exchange, file: CompiledFile): string[] {
  const cacheStatus =
    exchange.event.cache === 'hit' ? 'origan-edge; hit' : 'origan-edge; fwd=uri-miss; stored';
  return [
    'Cache-Control',
    file.cacheControl,
    'Cache-Status',
    cacheStatus,
    'X-Origan-Request-Id',
    exchange.id,
  ];
}

/** RFC 9110 section 13.1.2: weak comparison, lists, `*`. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

function missing(file: CompiledFile): EdgeError {
  return new EdgeError('OBJECT_MISSING', {
    detail: `the bucket lacks ${file.objectKey}, which the manifest names`,
  });
}
