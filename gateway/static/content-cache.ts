import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { EdgeError } from '../../core/errors.ts';
import { observedGauge, type Registry } from '../../core/metrics.ts';

/** Bytes that never change, under their content id. */
export type Content = {
  body: Buffer;
  /** SHA-256 in lower-case hex: of the bytes, or of the bytes that these are an encoding of. */
  hash: string;
  /** When the bucket says the object was written; only where it was asked. Whole seconds. */
  lastModifiedMs?: number | undefined;
};

/** What a load answers: the bytes, and what the bucket says about them. */
export type LoadedContent = { body: Buffer; lastModifiedMs?: number | undefined };

export type ContentCache = {
  /** The content if it is in memory: synchronous, and marks it as used. */
  get(contentId: string): Content | undefined;
  /** The content from memory, else through `load`; concurrent fills of one id are one load. Undefined: absent. */
  fill(
    contentId: string,
    expectedHash: string | undefined,
    load: () => Promise<LoadedContent | undefined>,
  ): Promise<Content | undefined>;
  /** Keeps bytes that were made here. */
  put(contentId: string, content: Content): void;
};

// What an entry costs beside its bytes: keys, objects, and the headers that are kept ready for it.
const ENTRY_OVERHEAD_BYTES = 2048;

/** The LRU of static files, bounded in bytes. What is in it was hashed, so one tenant cannot fill another's entry. */
export function createContentCache(options: { maxBytes: number; registry: Registry }): ContentCache {
  const entries = new LRUCache<string, Content>({
    // The library's bound must be positive; an entry larger than it is not kept.
    maxSize: Math.max(1, options.maxBytes),
    sizeCalculation: ({ body }, id) => body.length + id.length * 2 + ENTRY_OVERHEAD_BYTES,
  });
  const filling = new Map<string, Promise<Content | undefined>>();
  observe(entries, options.registry);
  return {
    get: (contentId) => entries.get(contentId),
    put: (contentId, content) => void entries.set(contentId, content),
    fill: async (contentId, expectedHash, load) => {
      const known = entries.get(contentId);
      if (known !== undefined) return known;
      const underWay = filling.get(contentId);
      if (underWay !== undefined) return underWay;
      const fill = loadChecked(load, expectedHash).then((content) => {
        if (content !== undefined) entries.set(contentId, content);
        return content;
      });
      filling.set(contentId, fill);
      try {
        return await fill;
      } finally {
        filling.delete(contentId);
      }
    },
  };
}

/**
 * Loads and hashes. The id may be a hash that a manifest only claims: bytes that do not have it must not become
 * what every other site with that hash serves.
 */
async function loadChecked(
  load: () => Promise<LoadedContent | undefined>,
  expectedHash: string | undefined,
): Promise<Content | undefined> {
  const loaded = await load();
  if (loaded === undefined) return undefined;
  const hash = createHash('sha256').update(loaded.body).digest('hex');
  if (expectedHash !== undefined && expectedHash !== hash) {
    throw new EdgeError('OBJECT_MISSING', {
      detail: `an object has hash ${hash}, its manifest says ${expectedHash}`,
    });
  }
  return { ...loaded, hash };
}

function observe(entries: LRUCache<string, Content>, registry: Registry): void {
  const gauges = [
    {
      name: 'origan_edge_static_bytes',
      help: 'Bytes of static files in memory.',
      read: () => entries.calculatedSize,
    },
    { name: 'origan_edge_static_entries', help: 'Static files in memory.', read: () => entries.size },
  ];
  for (const { name, help, read } of gauges) observedGauge({ registry, name, help, read });
}
