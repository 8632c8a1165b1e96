import { z } from 'zod';
import type { CacheKey } from './family.ts';
import { parseJson } from '../core/parse-json.ts';

export type InvalidatedKey = { family: string; name: string };

const message = z.object({
  /** What is to be done with the keys: drop copies of them, or fetch them ahead of use. */
  what: z.enum(['drop', 'warm']),
  keys: z.array(z.tuple([z.string(), z.string()])),
});

export type BusMessage = { what: 'drop' | 'warm'; keys: InvalidatedKey[] };

/** The payload of a message on the bus. */
export function encodeMessage(what: BusMessage['what'], keys: readonly InvalidatedKey[]): string {
  return JSON.stringify({ what, keys: keys.map(({ family, name }) => [family, name]) });
}

/** A message read; without keys when it is not one of ours. */
export function decodeMessage(text: string): BusMessage {
  const parsed = message.safeParse(parseJson(text));
  if (!parsed.success) return { what: 'drop', keys: [] };
  return { what: parsed.data.what, keys: parsed.data.keys.map(([family, name]) => ({ family, name })) };
}

export function nameOf(key: CacheKey<unknown>): InvalidatedKey {
  return { family: key.family.name, name: key.name };
}
