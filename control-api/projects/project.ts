import { randomInt, randomUUID } from 'node:crypto';
import { asc, eq, or } from 'drizzle-orm';
import { z } from 'zod';
import { keys, type CacheKey } from '../../cache/keys.ts';
import type { ProjectConfig } from '../../cache/value-schemas.ts';
import type { Project } from '../../contracts/control-api.ts';
import type { Caller } from '../access/caller.ts';
import { membersOf, permissionKeys, projectsOf } from '../access/permissions.ts';
import { mapConcurrently } from '../batches.ts';
import type { Context } from '../context.ts';
import { inTransaction, isUniqueViolation, type Database } from '../database/database.ts';
import { memberships, organizations, projects } from '../database/schema.ts';
import { noteEndings, tellEndings, type Ending } from '../endings/endings.ts';
import { remember } from '../endings/remember.ts';
import { Failure, notFound } from '../failure.ts';
import { isUuid } from '../is-uuid.ts';

const HANDLE = /^[a-z0-9][a-z0-9-]{0,62}$/i;
const REF_LETTERS = 10;
const MAX_REF_ATTEMPTS = 5;
const PROJECTS_AT_ONCE = 16;

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

/** By name, ref or id, through the cache; a name comes before a ref that reads the same. */
export async function findProject(context: Context, handle: string): Promise<ProjectRow | undefined> {
  // Nothing else can be one, and nothing else shall get into the cache's keys.
  if (!HANDLE.test(handle)) return undefined;
  const found = await remember(context, keys.projectConfig(handle), async () => {
    const row = await selectProject(context.db, handle);
    return row === undefined ? undefined : toConfig(row);
  });
  return found === undefined ? undefined : fromConfig(found);
}

/** What the cache says of a project, whatever it is called by. */
export function projectKeys(project: Pick<ProjectRow, 'id' | 'ref' | 'name'>): CacheKey<unknown>[] {
  const handles = [project.id, project.ref, project.name];
  return [...handles.map((handle) => keys.projectConfig(handle)), keys.projectEnvironments(project.id)];
}

async function selectProject(db: Database, handle: string): Promise<ProjectRow | undefined> {
  const isHandle = or(
    eq(projects.name, handle),
    eq(projects.ref, handle),
    ...(isUuid(handle) ? [eq(projects.id, handle)] : []),
  );
  const rows = await db.select().from(projects).where(isHandle);
  return rows.find(({ name }) => name === handle) ?? rows[0];
}

/** The projects that the caller may see, by name; through the cache. */
export async function listProjects(context: Context, caller: Caller): Promise<Project[]> {
  if (caller.isAdmin) {
    const rows = await context.db.select().from(projects).orderBy(asc(projects.name));
    return rows.map(toProject);
  }
  const ids = await projectsOf(context, caller.userId);
  const rows = await mapConcurrently(ids, PROJECTS_AT_ONCE, (id) => findProject(context, id));
  return rows.flatMap((row) => (row === undefined ? [] : [toProject(row)]));
}

/** @throws Failure CONFLICT when the name is taken. */
export async function createProject(
  context: Context,
  { name, organizationId }: { name: string; organizationId: string },
): Promise<Project> {
  const { row, endings } = await insertProject(context.db, name, organizationId);
  await tellEndings(context, endings);
  return toProject(row);
}

async function insertProject(
  db: Database,
  name: string,
  organizationId: string,
): Promise<{ row: ProjectRow; endings: Ending[] }> {
  for (let attempt = 1; ; attempt += 1) {
    const values = { id: randomUUID(), organizationId, ref: randomRef(), name };
    try {
      return await inTransaction(db, async (tx) => {
        const [row] = await tx.insert(projects).values(values).returning();
        if (row === undefined) throw new Error('the new project was not stored');
        const ended = [...projectKeys(row), ...permissionKeys(await membersOf(tx, organizationId))];
        return { row, endings: await noteEndings(tx, ended) };
      });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      // Either the name, or one reference in 26^10.
      if ((await selectProject(db, name))?.name !== name && attempt < MAX_REF_ATTEMPTS) continue;
      throw new Failure('CONFLICT', `The project name ${JSON.stringify(name)} is taken.`, { cause: error });
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
  const isHandle = isUuid(handle) ? eq(organizations.id, handle) : eq(organizations.name, handle);
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

/** The form in which the cache, and whoever else reads it, knows a project. */
function toConfig(row: ProjectRow): ProjectConfig {
  const { id, ref, name, organizationId, githubInstallationId, githubRepository, createdAt } = row;
  const settings = { githubInstallationId, githubRepository, createdAt: createdAt.toISOString() };
  return { id, reference: ref, name, organizationId, settings };
}

const settingsSchema = z.object({
  githubInstallationId: z.number().nullable(),
  githubRepository: z.string().nullable(),
  createdAt: z.coerce.date(),
});

function fromConfig({
  id,
  reference,
  name,
  organizationId,
  settings,
}: ProjectConfig): ProjectRow | undefined {
  const parsed = settingsSchema.safeParse(settings);
  if (!parsed.success || organizationId === null) return undefined;
  return { id, organizationId, ref: reference, name, ...parsed.data };
}

function randomRef(): string {
  return Array.from({ length: REF_LETTERS }, () => String.fromCharCode(97 + randomInt(26))).join('');
}
