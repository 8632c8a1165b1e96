import { and, eq, gt, isNull, lt, or, sql } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import type { Context } from '../context.ts';
import { apiTokens, users } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import { remember } from '../endings/remember.ts';
import { bearerToken, hashToken } from './token.ts';

/** Who sends a request. */
export type Caller = {
  userId: string;
  name: string;
  /** May do everything on this installation. */
  isAdmin: boolean;
};

/** @throws Failure UNAUTHORIZED without a token that is known, not expired and not revoked. */
export async function authenticate(context: Context, authorization: string | undefined): Promise<Caller> {
  const token = bearerToken(authorization);
  if (token === undefined) {
    throw new Failure('UNAUTHORIZED', 'A token is required: send `Authorization: Bearer <token>`.');
  }
  const hash = hashToken(token);
  let expiresAtMs: number | undefined;
  const caller = await remember(
    context,
    keys.apiToken(hash),
    async () => {
      const found = await findOwner(context, hash);
      expiresAtMs = found?.expiresAt?.getTime();
      return found?.caller;
    },
    () => (expiresAtMs === undefined ? undefined : expiresAtMs - context.clock.nowMs()),
  );
  if (caller !== undefined) return caller;
  throw new Failure('UNAUTHORIZED', 'The token is not known, has expired or was revoked. Log in again.');
}

async function findOwner(
  { db, clock }: Context,
  hash: string,
): Promise<{ caller: Caller; expiresAt: Date | null } | undefined> {
  const isValid = or(isNull(apiTokens.expiresAt), gt(apiTokens.expiresAt, new Date(clock.nowMs())));
  const [row] = await db
    .select({ userId: users.id, name: users.name, isAdmin: users.isAdmin, expiresAt: apiTokens.expiresAt })
    .from(apiTokens)
    .innerJoin(users, eq(users.id, apiTokens.userId))
    .where(and(eq(apiTokens.hash, hash), isValid));
  if (row === undefined) return undefined;
  await noteUse(db, hash);
  const { expiresAt, ...caller } = row;
  return { caller, expiresAt };
}

/** At most one write a token and minute: a deploy sends thousands of requests. */
async function noteUse(db: Context['db'], hash: string): Promise<void> {
  const isOld = or(isNull(apiTokens.lastUsedAt), lt(apiTokens.lastUsedAt, sql`now() - interval '1 minute'`));
  await db
    .update(apiTokens)
    .set({ lastUsedAt: sql`now()` })
    .where(and(eq(apiTokens.hash, hash), isOld));
}
