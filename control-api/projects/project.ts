import { randomInt, randomUUID } from 'node:crypto';
import { asc, eq, inArray, or } from 'drizzle-orm';
import type { Project } from '../../contracts/control-api.ts';
import type { Caller } from '../access/caller.ts';
import type { Context } from '../context.ts';
import { isUniqueViolation, type Database } from '../database/database.ts';
import { memberships, organizations, projects } from '../database/schema.ts';
import { Failure, notFound } from '../failure.ts';

const REF_LETTERS = 10;
const MAX_REF_ATTEMPTS = 5;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** A project's row, as operations get it. */
export type ProjectRow = {
  id: string;
  organizationId: string;
  ref: string;
  name: string;
  githubInstallationId: number | null;
  githubRepository: string | null;
  createdAt: Date;
};

/** By name, ref or id; a name comes before a ref that reads the same. */
export async function findProject(db: Database, handle: string): Promise<ProjectRow | undefined> {
  const isHandle = or(
    eq(projects.name, handle),
    eq(projects.ref, handle),
    ...(UUID.test(handle) ? [eq(projects.id, handle)] : []),
  );
  const rows = await db.select().from(projects).where(isHandle);
  return rows.find(({ name }) => name === handle) ?? rows[0];
}

export async function listProjects({ db }: Context, caller: Caller): Promise<Project[]> {
  const query = db.select().from(projects).orderBy(asc(projects.name));
  const own = db
    .select({ id: memberships.organizationId })
    .from(memberships)
    .where(eq(memberships.userId, caller.userId));
  const rows = await (caller.isAdmin ? query : query.where(inArray(projects.organizationId, own)));
  return rows.map(toProject);
}

/** @throws Failure CONFLICT when the name is taken. */
export async function createProject(
  { db }: Context,
  { name, organizationId }: { name: string; organizationId: string },
): Promise<Project> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const values = { id: randomUUID(), organizationId, ref: randomRef(), name };
      const [row] = await db.insert(projects).values(values).returning();
      if (row !== undefined) return toProject(row);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      if ((await findProject(db, name)) !== undefined || attempt === MAX_REF_ATTEMPTS) {
        throw new Failure('CONFLICT', `The project name ${JSON.stringify(name)} is taken.`, { cause: error });
      }
    }
  }
}

/** The organization named, or the only one that the caller is in. */
export async function chooseOrganization(
  { db }: Context,
  caller: Caller,
  handle: string | undefined,
): Promise<{ id: string; name: string }> {
  if (handle !== undefined) {
    const found = await findOrganization(db, handle);
    if (found === undefined) throw notFound('organization', handle);
    return found;
  }
  const [first, second] = await db
    .select({ id: organizations.id, name: organizations.name })
    .from(organizations)
    .innerJoin(memberships, eq(memberships.organizationId, organizations.id))
    .where(eq(memberships.userId, caller.userId))
    .limit(2);
  if (first !== undefined && second === undefined) return first;
  throw new Failure(
    'BAD_REQUEST',
    first === undefined
      ? 'You are in no organization yet: ask for an invitation.'
      : 'You are in several organizations: name one in `organization`.',
  );
}

export async function findOrganization(
  db: Database,
  handle: string,
): Promise<{ id: string; name: string } | undefined> {
  const isHandle = UUID.test(handle) ? eq(organizations.id, handle) : eq(organizations.name, handle);
  const [row] = await db
    .select({ id: organizations.id, name: organizations.name })
    .from(organizations)
    .where(isHandle);
  return row;
}

export function toProject(row: ProjectRow): Project {
  const { id, ref, name, organizationId, createdAt } = row;
  return { id, ref, name, organizationId, createdAt: createdAt.toISOString() };
}

function randomRef(): string {
  return Array.from({ length: REF_LETTERS }, () => String.fromCharCode(97 + randomInt(26))).join('');
}
