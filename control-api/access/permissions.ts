import { asc, eq, inArray } from 'drizzle-orm';
import { keys } from '../../cache/keys.ts';
import { roleSchema } from '../../contracts/control-api-answers.ts';
import type { Role } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import type { Database } from '../database/database.ts';
import { memberships, pendingPermissions, projects } from '../database/schema.ts';
import { remember } from '../remember.ts';

/** The user's role in each organization, through the cache. */
export async function rolesOf(context: Context, userId: string): Promise<Map<string, Role>> {
  const entries = await remember(context.cache, keys.userOrgs(userId), async () => {
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
  const ids = await remember(context.cache, keys.userProjects(userId), async () => {
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

/**
 * Notes, in the transaction that changes what users may do, that what the cache says of them must end. Call
 * `endPermissions` after the commit; what a crash prevents is done by the next run of the schedule.
 */
export async function notePermissionChange(tx: Database, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return;
  await tx
    .insert(pendingPermissions)
    .values(userIds.map((userId) => ({ userId })))
    .onConflictDoNothing();
}

/** From its return on no control API answers from permissions of before. */
export async function endPermissions(context: Context, userIds: readonly string[]): Promise<void> {
  if (userIds.length === 0) return;
  const { cache, db } = context;
  const ended = userIds.flatMap((id) => [keys.userOrgs(id), keys.userProjects(id)]);
  const { isComplete } = await cache.invalidateMany(ended);
  if (!isComplete && cache.state() !== 'disabled') {
    context.untold.hasAny = true;
    return;
  }
  await db.delete(pendingPermissions).where(inArray(pendingPermissions.userId, [...userIds]));
}

/** Ends what earlier changes could not. */
export async function endPendingPermissions(context: Context): Promise<void> {
  const rows = await context.db
    .select({ id: pendingPermissions.userId })
    .from(pendingPermissions)
    .limit(1000);
  await endPermissions(
    context,
    rows.map(({ id }) => id),
  );
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
