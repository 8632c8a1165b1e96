/** A drizzle logger that only counts. */
export type QueryCounter = { logQuery(): void; count(): number };

export function countQueries(): QueryCounter {
  let queries = 0;
  return {
    logQuery: () => {
      queries += 1;
    },
    count: () => queries,
  };
}
