/** Runs `work` for each item, at most `limit` at once; the first failure stops the start of further ones and is thrown. */
export async function mapConcurrently<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  let hasFailed = false;
  const worker = async (): Promise<void> => {
    while (next < items.length && !hasFailed) {
      const index = next;
      next += 1;
      const item = items[index] as Item;
      try {
        results[index] = await work(item);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

/** Items in runs whose weights add up to at most `limit`; a heavier item is a run of its own. */
export function inBatches<Item>(
  items: readonly Item[],
  limit: number,
  weigh: (item: Item) => number,
): Item[][] {
  const batches: Item[][] = [];
  let batch: Item[] = [];
  let weight = 0;
  for (const item of items) {
    const itemWeight = weigh(item);
    if (batch.length > 0 && weight + itemWeight > limit) {
      batches.push(batch);
      batch = [];
      weight = 0;
    }
    batch.push(item);
    weight += itemWeight;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
