import { AsyncLocalStorage } from 'node:async_hooks';

/** A drizzle logger that only counts. */
export type QueryCounter = { logQuery(): void; count(): number };

type Tally = { queries: number };

const underWay = new AsyncLocalStorage<Tally>();

export function countQueries(): QueryCounter {
  let queries = 0;
  return {
    logQuery: () => {
      queries += 1;
      const tally = underWay.getStore();
      if (tally !== undefined) tally.queries += 1;
    },
    count: () => queries,
  };
}

/** Runs `work` and tells how many queries it sent, whatever else is under way, and whether or not it failed. */
export async function tallyQueries<Result>(
  work: () => Promise<Result>,
  tell: (queries: number) => void,
): Promise<Result> {
  const tally: Tally = { queries: 0 };
  try {
    return await underWay.run(tally, work);
  } finally {
    tell(tally.queries);
  }
}
