import { randomUUID } from 'node:crypto';
import { and, asc, count, eq } from 'drizzle-orm';
import type { Member, Organization } from '../../contracts/control-api-admin.ts';
import type { Deleted, Role } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import { inTransaction, isUniqueViolation, type Database } from '../database/database.ts';
import { memberships, organizations, users } from '../database/schema.ts';
import { endEverywhere, noteEndings } from '../endings/endings.ts';
import { Failure, notFound } from '../failure.ts';
import type { Caller } from './caller.ts';
import { permissionKeys } from './permissions.ts';
import { forbidden, hasRight } from './rights.ts';
import { findUser } from './users.ts';

/** A new organization, owned by its creator. */
export async function createOrganization(
  context: Context,
  caller: Caller,
  name: string,
): Promise<Organization> {
  const organization = { id: randomUUID(), name };
  try {
    const endings = await inTransaction(context.db, async (tx) => {
      await tx.insert(organizations).values(organization);
      const { userId } = caller;
      await tx.insert(memberships).values({ organizationId: organization.id, userId, role: 'owner' });
      return await noteEndings(tx, permissionKeys([userId]));
    });
    await endEverywhere(context, endings);
    return organization;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new Failure('CONFLICT', `The organization name ${JSON.stringify(name)} is taken.`);
  }
}

export async function listMembers({ db }: Context, organization: Organization): Promise<Member[]> {
  return await db
    .select({ userId: users.id, name: users.name, role: memberships.role })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(eq(memberships.organizationId, organization.id))
    .orderBy(asc(users.name));
}

export type MemberChange = {
  caller: Caller;
  organization: Organization;
  user: string;
  role: Role | undefined;
};

/** Gives a user a role, or none (`undefined`). Takes effect at once, on every control API. */
export async function changeMember(context: Context, change: MemberChange): Promise<Member | Deleted> {
  const { organization, role } = change;
  const user = await findUser(context.db, change.user);
  // Asked before the transaction: the embedded database has one connection.
  const mayOwn = (await hasRight(context, change.caller, organization.id, 'own')) === 'yes';
  const endings = await inTransaction(context.db, async (tx) => {
    const before = await holdMembership(tx, organization.id, user.id);
    if ((role === 'owner' || before === 'owner') && !mayOwn) throw forbidden('own');
    if (role === undefined && before === undefined) throw notFound('member', change.user);
    await writeMembership(tx, { organizationId: organization.id, userId: user.id, role });
    await refuseWithoutOwner(tx, organization);
    return await noteEndings(tx, permissionKeys([user.id]));
  });
  await endEverywhere(context, endings);
  return role === undefined
    ? { kind: 'member', id: user.id, objects: 0, bytes: 0 }
    : { userId: user.id, name: user.name, role };
}

/** The organization is held too, so that two owners who remove each other do not leave it without one. */
async function holdMembership(
  tx: Database,
  organizationId: string,
  userId: string,
): Promise<Role | undefined> {
  await tx
    .select({ id: organizations.id })
    .from(organizations)
    .where(eq(organizations.id, organizationId))
    .for('update');
  const [row] = await tx
    .select({ role: memberships.role })
    .from(memberships)
    .where(and(eq(memberships.organizationId, organizationId), eq(memberships.userId, userId)));
  return row?.role;
}

async function writeMembership(
  tx: Database,
  { organizationId, userId, role }: { organizationId: string; userId: string; role: Role | undefined },
): Promise<void> {
  if (role === undefined) {
    const isThis = and(eq(memberships.organizationId, organizationId), eq(memberships.userId, userId));
    await tx.delete(memberships).where(isThis);
    return;
  }
  await tx
    .insert(memberships)
    .values({ organizationId, userId, role })
    .onConflictDoUpdate({ target: [memberships.organizationId, memberships.userId], set: { role } });
}

async function refuseWithoutOwner(tx: Database, organization: Organization): Promise<void> {
  const isOwner = and(eq(memberships.organizationId, organization.id), eq(memberships.role, 'owner'));
  const [owners] = await tx.select({ count: count() }).from(memberships).where(isOwner);
  if ((owners?.count ?? 0) > 0) return;
  throw new Failure(
    'CONFLICT',
    `${organization.name} would be left without an owner. Name another one first.`,
  );
}
