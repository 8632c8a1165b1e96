import { and, eq } from 'drizzle-orm';
import type { Role } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import { memberships } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import type { Caller } from './caller.ts';

/** What an operation needs: `read` looks, `deploy` publishes, `manage` changes settings and members, `own` deletes. */
export type Right = 'read' | 'deploy' | 'manage' | 'own';

const RIGHTS: Readonly<Record<Role, ReadonlySet<Right>>> = {
  viewer: new Set(['read']),
  member: new Set(['read', 'deploy']),
  admin: new Set(['read', 'deploy', 'manage']),
  owner: new Set(['read', 'deploy', 'manage', 'own']),
};

/**
 * Whether the caller has the right in the organization. Without any membership the thing is answered as unknown, so
 * that names cannot be tried out.
 */
export async function hasRight(
  context: Context,
  caller: Caller,
  organizationId: string,
  right: Right,
): Promise<'yes' | 'no' | 'unknown'> {
  if (caller.isAdmin) return 'yes';
  const role = await roleIn(context, caller.userId, organizationId);
  if (role === undefined) return 'unknown';
  return RIGHTS[role].has(right) ? 'yes' : 'no';
}

export function forbidden(right: Right): Failure {
  return new Failure('FORBIDDEN', `Your role does not include the right to ${right} here. Ask an owner.`);
}

async function roleIn({ db }: Context, userId: string, organizationId: string): Promise<Role | undefined> {
  const [row] = await db
    .select({ role: memberships.role })
    .from(memberships)
    .where(and(eq(memberships.userId, userId), eq(memberships.organizationId, organizationId)));
  return row?.role;
}
