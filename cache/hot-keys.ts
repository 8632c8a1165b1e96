import { z } from 'zod';
import { jsonFamily, type CacheKey } from './family.ts';
import type { NearEntry } from './near-copies.ts';

/** Keys remembered as hot, of all gateways together. */
const MAX_HOT = 200;
/** What was hot counts half as much at every recording, so that yesterday's traffic fades. */
const DECAY = 0.5;

type HotKey = [family: string, name: string, uses: number];

const hotKeysSchema: z.ZodType<HotKey[]> = z.array(z.tuple([z.string(), z.string(), z.number()]));

/** What gateways used most of late, for the next one that starts. */
export const hotKeysKey: CacheKey<HotKey[]> = {
  family: jsonFamily(hotKeysSchema, { name: 'hot-keys', freshMs: 7 * 24 * 3_600_000, isRestorable: true }),
  name: 'hot:keys',
};

/** Takes the counts out of the near copies and adds them to what was known; writers may lose to each other. */
export function mergeHotKeys(before: readonly HotKey[], entries: Iterable<NearEntry>): HotKey[] {
  const merged = new Map<string, HotKey>();
  for (const [family, name, uses] of before) merged.set(name, [family, name, uses * DECAY]);
  for (const entry of entries) {
    if (entry.uses === 0) continue;
    const { family, name } = entry.key;
    merged.set(name, [family.name, name, (merged.get(name)?.[2] ?? 0) + entry.uses]);
    entry.uses = 0;
  }
  const ranked = [...merged.values()].filter(([, , uses]) => uses >= 1);
  return ranked.sort((left, right) => right[2] - left[2]).slice(0, MAX_HOT);
}
