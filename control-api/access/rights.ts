import type { Role } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import { Failure } from '../failure.ts';
import type { Caller } from './caller.ts';
import { rolesOf } from './permissions.ts';

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
  const role = (await rolesOf(context, caller.userId)).get(organizationId);
  if (role === undefined) return 'unknown';
  return RIGHTS[role].has(right) ? 'yes' : 'no';
}

export function forbidden(right: Right): Failure {
  return new Failure('FORBIDDEN', `Your role does not include the right to ${right} here. Ask an owner.`);
}
