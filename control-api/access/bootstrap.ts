import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { and, eq, ne } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import type { Logger } from '../../core/log.ts';
import type { ControlApiConfig } from '../config.ts';
import { inTransaction, type Database } from '../database/database.ts';
import { apiTokens, memberships, organizations, users } from '../database/schema.ts';
import { noteEndings, type Ending } from '../endings/endings.ts';
import { createTokenText, hashToken } from './token.ts';

const TOKEN_NAME = 'bootstrap';
const ADMIN = 'admin';
const ORGANIZATION = 'default';

/**
 * Makes sure that there is an administrator, an organization of theirs, and that the configured token is theirs. Answers
 * what it ended: the tokens that the configured one replaces.
 */
export async function bootstrap(db: Database, token: string): Promise<Ending[]> {
  const hash = hashToken(token);
  return await inTransaction(db, async (tx) => {
    await tx.insert(users).values({ id: randomUUID(), name: ADMIN, isAdmin: true }).onConflictDoNothing();
    await tx.insert(organizations).values({ id: randomUUID(), name: ORGANIZATION }).onConflictDoNothing();
    const userId = await idOf(tx.select({ id: users.id }).from(users).where(eq(users.name, ADMIN)));
    const organizationId = await idOf(
      tx.select({ id: organizations.id }).from(organizations).where(eq(organizations.name, ORGANIZATION)),
    );
    await tx.insert(memberships).values({ organizationId, userId, role: 'owner' }).onConflictDoNothing();
    const isReplaced = and(
      eq(apiTokens.name, TOKEN_NAME),
      eq(apiTokens.userId, userId),
      ne(apiTokens.hash, hash),
    );
    const replaced = await tx.delete(apiTokens).where(isReplaced).returning({ hash: apiTokens.hash });
    await tx
      .insert(apiTokens)
      .values({ id: randomUUID(), userId, name: TOKEN_NAME, hash })
      .onConflictDoNothing();
    return await noteEndings(
      tx,
      replaced.map((row) => keys.apiToken(row.hash)),
    );
  });
}

/** The configured token, or the one in the state directory, made at the first start. */
export async function bootstrapToken(
  config: Pick<ControlApiConfig, 'CONTROL_API_TOKEN' | 'ORIGAN_STATE_DIR'>,
  log: Logger,
): Promise<string> {
  if (config.CONTROL_API_TOKEN !== undefined) return config.CONTROL_API_TOKEN;
  const file = join(config.ORIGAN_STATE_DIR, 'control-api-token');
  const known = await readIfThere(file);
  if (known !== undefined) return known;
  await mkdir(config.ORIGAN_STATE_DIR, { recursive: true });
  const token = createTokenText();
  await writeFile(file, `${token}\n`, { mode: 0o600, flag: 'wx' });
  log.info({ file }, 'an administrator token was generated; set CONTROL_API_TOKEN to choose it yourself');
  return token;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim();
    if (text.length >= 24) return text;
    throw new Error(
      `${file} holds no token: remove it to have a new one generated, or set CONTROL_API_TOKEN`,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function idOf(rows: PromiseLike<{ id: string }[]>): Promise<string> {
  const [row] = await rows;
  if (row === undefined) throw new Error('a row that was just made sure of is not there');
  return row.id;
}
