import { randomUUID } from 'node:crypto';
import { and, desc, eq, type SQL } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import type { CreatedToken, CreateToken, TokenInfo } from '../../contracts/control-api-admin.ts';
import type { Deleted } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import { inTransaction } from '../database/database.ts';
import { apiTokens } from '../database/schema.ts';
import { endEverywhere, noteEndings } from '../endings/endings.ts';
import { Failure, notFound } from '../failure.ts';
import type { Caller } from './caller.ts';
import { createTokenText, hashToken } from './token.ts';
import { findUser } from './users.ts';

const DAY_MS = 86_400_000;

const columns = {
  id: apiTokens.id,
  name: apiTokens.name,
  createdAt: apiTokens.createdAt,
  expiresAt: apiTokens.expiresAt,
  lastUsedAt: apiTokens.lastUsedAt,
};

type TokenRow = {
  id: string;
  name: string;
  createdAt: Date;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
};

/** The caller's own tokens, newest first. */
export async function listTokens({ db }: Context, caller: Caller): Promise<TokenInfo[]> {
  const rows = await db
    .select(columns)
    .from(apiTokens)
    .where(eq(apiTokens.userId, caller.userId))
    .orderBy(desc(apiTokens.createdAt));
  return rows.map(toInfo);
}

/** A new token, shown this once. */
export async function createToken(
  context: Context,
  caller: Caller,
  body: CreateToken,
): Promise<CreatedToken> {
  const token = createTokenText();
  const userId = body.user === undefined ? caller.userId : await otherUser(context, caller, body.user);
  const { expiresInDays: days } = body;
  const expiresAt = days === undefined ? null : new Date(context.clock.nowMs() + days * DAY_MS);
  const values = { id: randomUUID(), userId, name: body.name, hash: hashToken(token), expiresAt };
  const [row] = await context.db.insert(apiTokens).values(values).returning(columns);
  if (row === undefined) throw new Error('the new token was not stored');
  return { ...toInfo(row), token };
}

/** Revokes a token; from the return on it is refused everywhere. */
export async function revokeToken(context: Context, caller: Caller, id: string): Promise<Deleted> {
  const isAllowed: SQL | undefined = caller.isAdmin
    ? eq(apiTokens.id, id)
    : and(eq(apiTokens.id, id), eq(apiTokens.userId, caller.userId));
  const endings = await inTransaction(context.db, async (tx) => {
    const [row] = await tx.delete(apiTokens).where(isAllowed).returning({ hash: apiTokens.hash });
    if (row === undefined) throw notFound('token', id);
    return await noteEndings(tx, [keys.apiToken(row.hash)]);
  });
  await endEverywhere(context, endings);
  return { kind: 'token', id, objects: 0, bytes: 0 };
}

async function otherUser(context: Context, caller: Caller, handle: string): Promise<string> {
  if (!caller.isAdmin) {
    throw new Failure('FORBIDDEN', 'Only an administrator of this installation may make tokens for others.');
  }
  return (await findUser(context.db, handle)).id;
}

function toInfo(row: TokenRow): TokenInfo {
  return {
    id: row.id,
    name: row.name,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
  };
}
