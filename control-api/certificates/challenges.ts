import { z } from 'zod';
import type { Clock } from '../../core/clock.ts';
import { parseJson } from '../../core/parse-json.ts';
import type { ObjectStore } from '../../store/object-store.ts';

const PREFIX = 'challenges/';
const LIFETIME_MS = 3_600_000;
/** Younger ones may be in use, whoever wrote them. */
const LOOKED_AT_AFTER_MS = 24 * 3_600_000;
const MAX_BYTES = 8192;

type Parts = { store: ObjectStore; clock: Clock };

/** Puts a proof where gateways answer it from (RFC 8555 section 8.3), for an hour. */
export async function putChallenge(
  { store, clock }: Parts,
  token: string,
  keyAuthorization: string,
): Promise<void> {
  const expires = new Date(clock.nowMs() + LIFETIME_MS).toISOString();
  const body = Buffer.from(JSON.stringify({ keyAuthorization, expires }));
  await store.put(`${PREFIX}${token}`, body, { size: body.length, contentType: 'application/json' });
}

/** One that cannot be removed just now ends by itself; the sweep takes it away. */
export async function removeChallenge({ store }: Pick<Parts, 'store'>, token: string): Promise<void> {
  await store.delete([`${PREFIX}${token}`]).catch(() => undefined);
}

const challengeSchema = z.object({
  expires: z.union([z.number(), z.string()]).transform((text) => new Date(text).getTime()),
});

/** Removes what killed attempts left behind. Answers how many. */
export async function sweepChallenges({ store, clock }: Parts): Promise<number> {
  const nowMs = clock.nowMs();
  const ended: string[] = [];
  for await (const { key, modifiedAtMs } of store.list(PREFIX)) {
    if (nowMs - modifiedAtMs < LOOKED_AT_AFTER_MS) continue;
    const bytes = await store.read(key, { maxBytes: MAX_BYTES });
    const parsed = challengeSchema.safeParse(parseJson(bytes?.toString('utf8') ?? ''));
    if (parsed.success && parsed.data.expires < nowMs) ended.push(key);
  }
  if (ended.length > 0) await store.delete(ended);
  return ended.length;
}
