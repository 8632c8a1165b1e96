/**
 * Works through many items a wave at a time. Every command has its deadline from the moment at which it is handed over: of
 * thousands at once the last would be late for no other reason than those before it, and open the circuit for everybody.
 */
export async function inWaves<Item, Result>(
  items: readonly Item[],
  size: number,
  work: (wave: readonly Item[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  if (items.length <= size) return [...(await work(items))];
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += size) {
    results.push(...(await work(items.slice(start, start + size))));
  }
  return results;
}
