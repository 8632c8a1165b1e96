import { toEdgeError, type EdgeError } from '../core/errors.ts';
import type { Backend, ListNumbering } from './backend.ts';
import type { ListKey } from './family.ts';
import type { WriteOutcome } from './lookup.ts';

const PAGE = 1000;

export type ListPage<Item> =
  | {
      kind: 'items';
      items: Item[];
      /** Pass as `after` to read on. */
      next: number;
      /** Items between `after` and the first one answered are gone: fallen out, or the list began anew. */
      isTruncated: boolean;
    }
  | { kind: 'error'; cause: EdgeError };

/** Appends in order; what was appended twice by a retry appears twice. */
export async function appendToList<Item>(
  backend: Backend,
  key: ListKey<Item>,
  items: readonly Item[],
  nowMs: number,
): Promise<WriteOutcome> {
  if (items.length === 0) return { kind: 'stored' };
  try {
    const texts = items.map((item) => JSON.stringify(item));
    const { maxItems, ttlMs } = key;
    await backend.list.append(key.name, texts, { maxItems, ttlMs, numbering: numberingOf(key, nowMs) });
    return { kind: 'stored' };
  } catch (error) {
    return { kind: 'error', cause: toEdgeError(error) };
  }
}

export async function readListPage<Item>(
  backend: Backend,
  key: ListKey<Item>,
  { after, count = PAGE, nowMs }: { after: number; count: number | undefined; nowMs: number },
): Promise<ListPage<Item>> {
  try {
    const numbering = numberingOf(key, nowMs);
    const { last, items } = await backend.list.readAfter(key.name, after, { count, numbering });
    const parsed = items.map((text) => parseItem(key, text));
    const first = parsed[0]?.sequence;
    return {
      kind: 'items',
      items: parsed.flatMap(({ item }) => (item === undefined ? [] : [item])),
      next: parsed.at(-1)?.sequence ?? Math.min(after, last),
      isTruncated: after > last || (first !== undefined && first > after + 1),
    };
  } catch (error) {
    return { kind: 'error', cause: toEdgeError(error) };
  }
}

function numberingOf(key: ListKey<unknown>, nowMs: number): ListNumbering {
  return key.isNumberedByTime === true ? { kind: 'by-time', nowMs } : { kind: 'from-one' };
}

function parseItem<Item>(key: ListKey<Item>, text: string): { sequence: number; item: Item | undefined } {
  const bar = text.indexOf('|');
  const sequence = Number(text.slice(0, bar));
  try {
    return { sequence, item: key.parse(JSON.parse(text.slice(bar + 1))) };
  } catch {
    // Not ours or damaged: left out, its place in the order is kept.
    return { sequence, item: undefined };
  }
}
