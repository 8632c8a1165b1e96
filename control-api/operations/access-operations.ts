import { z } from 'zod';
import {
  changeMemberSchema,
  createdTokenSchema,
  createTokenSchema,
  memberSchema,
  namedSchema,
  tokenInfoSchema,
} from '../../contracts/control-api-admin.ts';
import { deletedSchema } from '../../contracts/control-api-answers.ts';
import { changeMember, createOrganization, listMembers } from '../access/members.ts';
import { createToken, listTokens, revokeToken } from '../access/tokens.ts';
import { createUser } from '../access/users.ts';
import { organizationOperation, userOperation, type Operation } from './operation.ts';

const nothing = z.object({});
const organization = z.string().min(1).max(100);
const member = z.object({ organization, user: z.string().min(1).max(100) });
const named = z.object({ id: z.string(), name: z.string() });

export const accessOperations: readonly Operation[] = [
  userOperation(
    {
      name: 'tokens.list',
      summary: "Lists the caller's API tokens",
      method: 'GET',
      path: '/tokens',
      params: nothing,
      answer: z.object({ tokens: z.array(tokenInfoSchema) }),
    },
    async (context, { caller }) => ({ tokens: await listTokens(context, caller) }),
  ),
  userOperation(
    {
      name: 'tokens.create',
      summary: 'Creates an API token; it is shown this once',
      method: 'POST',
      path: '/tokens',
      status: 201,
      params: nothing,
      body: createTokenSchema,
      answer: createdTokenSchema,
    },
    (context, { caller, body }) => createToken(context, caller, body),
  ),
  userOperation(
    {
      name: 'tokens.revoke',
      summary: 'Revokes an API token at once',
      method: 'DELETE',
      path: '/tokens/:id',
      params: z.object({ id: z.uuid() }),
      answer: deletedSchema,
    },
    (context, { caller, params }) => revokeToken(context, caller, params.id),
  ),
  userOperation(
    {
      name: 'users.create',
      summary: 'Creates a user',
      method: 'POST',
      path: '/users',
      status: 201,
      isAdminOnly: true,
      params: nothing,
      body: namedSchema,
      answer: named,
    },
    (context, { body }) => createUser(context, body.name),
  ),
  userOperation(
    {
      name: 'organizations.create',
      summary: 'Creates an organization, owned by the caller',
      method: 'POST',
      path: '/organizations',
      status: 201,
      params: nothing,
      body: namedSchema,
      answer: named,
    },
    (context, { caller, body }) => createOrganization(context, caller, body.name),
  ),
  organizationOperation(
    {
      name: 'members.list',
      summary: 'Lists the members of an organization',
      method: 'GET',
      path: '/organizations/:organization/members',
      right: 'read',
      params: z.object({ organization }),
      answer: z.object({ members: z.array(memberSchema) }),
    },
    async (context, input) => ({ members: await listMembers(context, input.organization) }),
  ),
  organizationOperation(
    {
      name: 'members.set',
      summary: 'Gives a user a role in an organization, effective at once',
      method: 'PUT',
      path: '/organizations/:organization/members/:user',
      right: 'manage',
      params: member,
      body: changeMemberSchema,
      answer: memberSchema,
    },
    (context, { caller, organization: held, params, body }) =>
      changeMember(context, { caller, organization: held, user: params.user, role: body.role }),
  ),
  organizationOperation(
    {
      name: 'members.remove',
      summary: 'Removes a user from an organization, effective at once',
      method: 'DELETE',
      path: '/organizations/:organization/members/:user',
      right: 'manage',
      params: member,
      answer: deletedSchema,
    },
    (context, { caller, organization: held, params }) =>
      changeMember(context, { caller, organization: held, user: params.user, role: undefined }),
  ),
];
