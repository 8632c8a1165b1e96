import { z } from 'zod';

export type InvalidatedKey = { family: string; name: string };

const message = z.object({ keys: z.array(z.tuple([z.string(), z.string()])) });

/** The payload of an invalidation on the bus. */
export function encodeInvalidation(keys: readonly InvalidatedKey[]): string {
  return JSON.stringify({ keys: keys.map(({ family, name }) => [family, name]) });
}

/** The keys of a message; none when it is not one of ours. */
export function decodeInvalidation(text: string): InvalidatedKey[] {
  const parsed = message.safeParse(parseJson(text));
  return parsed.success ? parsed.data.keys.map(([family, name]) => ({ family, name })) : [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Some other program published on our channel.
    return undefined;
  }
}
