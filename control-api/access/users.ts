import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import type { User } from '../../contracts/control-api-admin.ts';
import type { Context } from '../context.ts';
import { isUniqueViolation, type Database } from '../database/database.ts';
import { users } from '../database/schema.ts';
import { Failure, notFound } from '../failure.ts';
import { isUuid } from '../is-uuid.ts';

export async function createUser({ db }: Context, name: string): Promise<User> {
  const user = { id: randomUUID(), name };
  try {
    await db.insert(users).values({ ...user, isAdmin: false });
    return user;
  } catch (error) {
    if (isUniqueViolation(error))
      throw new Failure('CONFLICT', `The user name ${JSON.stringify(name)} is taken.`);
    throw error;
  }
}

/** By name or id. @throws Failure NOT_FOUND. */
export async function findUser(db: Database, handle: string): Promise<User> {
  const isHandle = isUuid(handle) ? eq(users.id, handle) : eq(users.name, handle);
  const [row] = await db.select({ id: users.id, name: users.name }).from(users).where(isHandle);
  if (row === undefined) throw notFound('user', handle);
  return row;
}
