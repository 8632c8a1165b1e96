import { asc, eq } from 'drizzle-orm';
import { keys, type CacheKey } from '../../cache/keys.ts';
import { roleSchema } from '../../contracts/control-api-answers.ts';
import type { Role } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import type { Database } from '../database/database.ts';
import { memberships, projects } from '../database/schema.ts';
import { remember } from '../endings/remember.ts';

/** The user's role in each organization, through the cache. */
export async function rolesOf(context: Context, userId: string): Promise<Map<string, Role>> {
  const entries = await remember(context, keys.userOrgs(userId), async () => {
    const rows = await context.db
      .select({ organizationId: memberships.organizationId, role: memberships.role })
      .from(memberships)
      .where(eq(memberships.userId, userId));
    return rows.map(({ organizationId, role }) => `${organizationId}:${role}`);
  });
  return new Map((entries ?? []).map(readEntry));
}

/** Ids of the projects that the user may see, through the cache. */
export async function projectsOf(context: Context, userId: string): Promise<string[]> {
  const ids = await remember(context, keys.userProjects(userId), async () => {
    const rows = await context.db
      .select({ id: projects.id })
      .from(projects)
      .innerJoin(memberships, eq(memberships.organizationId, projects.organizationId))
      .where(eq(memberships.userId, userId))
      .orderBy(asc(projects.name));
    return rows.map(({ id }) => id);
  });
  return ids ?? [];
}

/** What the cache says of these users: ends with a change of their memberships, or of their organizations' projects. */
export function permissionKeys(userIds: readonly string[]): CacheKey<unknown>[] {
  return userIds.flatMap((id) => [keys.userOrgs(id), keys.userProjects(id)]);
}

/** Everybody in an organization. */
export async function membersOf(db: Database, organizationId: string): Promise<string[]> {
  const rows = await db
    .select({ id: memberships.userId })
    .from(memberships)
    .where(eq(memberships.organizationId, organizationId));
  return rows.map(({ id }) => id);
}

function readEntry(entry: string): [organizationId: string, role: Role] {
  const at = entry.lastIndexOf(':');
  return [entry.slice(0, at), roleSchema.parse(entry.slice(at + 1))];
}
