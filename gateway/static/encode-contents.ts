import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';
import { LRUCache } from 'lru-cache';
import type { Encoding } from '../../contracts/manifest.ts';
import { messageOf } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Content, ContentCache } from './content-cache.ts';

/** Makes encoded forms of contents in the background. */
export type Encoder = {
  /** Asks for a form, now or again: what is under way, or was found not worth it, is not begun twice. */
  request(contentId: string, content: Content, encoding: Encoding): void;
  /** Whether the form would not be smaller by enough. */
  isNotWorthIt(contentId: string, encoding: Encoding): boolean;
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>;
  /** Drops what has not begun. */
  close(): Promise<void>;
};

export type EncoderOptions = { contents: ContentCache; log: Logger };

// One at a time on the threads of libuv, which file system and DNS share; the rest of the core is for requests.
const MAX_WAITING = 256;
const MAX_REMEMBERED = 10_000;
/** A form has to save at least this share of the bytes. */
const MIN_SAVING = 0.05;

/** Key of a form that was made here. NUL is in no other id: neither paths nor hashes can hold it. */
export function madeId(contentId: string, encoding: Encoding): string {
  return `${encoding}\0${contentId}`;
}

type Job = { contentId: string; content: Content; encoding: Encoding };

export function createEncoder({ contents, log }: EncoderOptions): Encoder {
  const notWorthIt = new LRUCache<string, true>({ max: MAX_REMEMBERED });
  const waiting = new Map<string, Job>();
  let running: Promise<void> | undefined;

  const encodeAll = async (): Promise<void> => {
    for (let next = waiting.entries().next(); !next.done; next = waiting.entries().next()) {
      const [id, job] = next.value;
      const form = await encode(job.content.body, job.encoding).catch((error: unknown) => {
        log.error({ error: messageOf(error), encoding: job.encoding }, 'a file could not be encoded');
        return undefined;
      });
      if (form === undefined || form.length > job.content.body.length * (1 - MIN_SAVING)) {
        notWorthIt.set(id, true);
      } else {
        contents.put(id, { ...job.content, body: form });
      }
      waiting.delete(id);
    }
    running = undefined;
  };

  return {
    request: (contentId, content, encoding) => {
      const id = madeId(contentId, encoding);
      if (waiting.has(id) || waiting.size >= MAX_WAITING || notWorthIt.has(id)) return;
      waiting.set(id, { contentId, content, encoding });
      running ??= encodeAll();
    },
    isNotWorthIt: (contentId, encoding) => notWorthIt.has(madeId(contentId, encoding)),
    idle: async () => running,
    close: async () => {
      waiting.clear();
      await running;
    },
  };
}

// Good enough to be close to the best and still done in a fraction of a second for a file of a megabyte.
const BROTLI_QUALITY = 9;
const ZSTD_LEVEL = 12;
const GZIP_LEVEL = 9;

const brotliAsync = promisify(brotliCompress);
const zstdAsync = promisify(zstdCompress);
const gzipAsync = promisify(gzip);

function encode(body: Buffer, encoding: Encoding): Promise<Buffer> {
  switch (encoding) {
    case 'br':
      return brotliAsync(body, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
          [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
        },
      });
    case 'zstd':
      return zstdAsync(body, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } });
    case 'gzip':
      return gzipAsync(body, { level: GZIP_LEVEL });
    default:
      return encoding satisfies never;
  }
}
