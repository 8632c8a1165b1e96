import { eq } from 'drizzle-orm';
import { z } from 'zod';
import {
  deletedSchema,
  identitySchema,
  projectListSchema,
  projectSchema,
  purgeResultSchema,
} from '../../contracts/control-api-answers.ts';
import type { Identity } from '../../contracts/control-api.ts';
import { createProjectSchema, purgeSchema } from '../../contracts/control-api-requests.ts';
import type { Caller } from '../access/caller.ts';
import { forbidden, hasRight } from '../access/rights.ts';
import type { Context } from '../context.ts';
import { memberships, organizations } from '../database/schema.ts';
import { purge } from '../deployments/purge.ts';
import { notFound } from '../failure.ts';
import { deleteProject } from '../projects/delete.ts';
import { chooseOrganization, createProject, listProjects, toProject } from '../projects/project.ts';
import { projectOperation, userOperation, type Operation } from './operation.ts';

const project = z.string().min(1).max(100);

export const projectOperations: readonly Operation[] = [
  userOperation(
    {
      name: 'users.whoami',
      summary: 'Who the token belongs to',
      method: 'GET',
      path: '/whoami',
      params: z.object({}),
      answer: identitySchema,
    },
    (context, { caller }) => identify(context, caller),
  ),
  userOperation(
    {
      name: 'projects.list',
      summary: 'Lists the projects that the caller may see',
      method: 'GET',
      path: '/projects',
      params: z.object({}),
      answer: projectListSchema,
    },
    async (context, { caller }) => ({ projects: await listProjects(context, caller) }),
  ),
  userOperation(
    {
      name: 'projects.create',
      summary: 'Creates a project',
      method: 'POST',
      path: '/projects',
      status: 201,
      params: z.object({}),
      body: createProjectSchema,
      answer: projectSchema,
    },
    async (context, { caller, body }) => {
      const organization = await chooseOrganization(context, caller, body.organization);
      const answer = await hasRight(context, caller, organization.id, 'manage');
      if (answer === 'unknown') throw notFound('organization', body.organization ?? organization.name);
      if (answer === 'no') throw forbidden('manage');
      return await createProject(context, { name: body.name, organizationId: organization.id });
    },
  ),
  projectOperation(
    {
      name: 'projects.get',
      summary: 'One project',
      method: 'GET',
      path: '/projects/:project',
      right: 'read',
      params: z.object({ project }),
      answer: projectSchema,
    },
    async (_context, input) => await Promise.resolve(toProject(input.project)),
  ),
  projectOperation(
    {
      name: 'projects.delete',
      summary: 'Deletes a project with everything in it',
      method: 'DELETE',
      path: '/projects/:project',
      right: 'own',
      params: z.object({ project }),
      answer: deletedSchema,
    },
    (context, input) => deleteProject(context, input.project),
  ),
  projectOperation(
    {
      name: 'projects.purge',
      summary:
        'Ends what caches have of a project: of a domain, a deployment, addresses, tags, keys, or all of it',
      method: 'POST',
      path: '/projects/:project/purge',
      right: 'deploy',
      params: z.object({ project }),
      body: purgeSchema,
      answer: purgeResultSchema,
    },
    (context, input) => purge(context, input),
  ),
];

async function identify({ db }: Context, caller: Caller): Promise<Identity> {
  const rows = await db
    .select({ id: organizations.id, name: organizations.name, role: memberships.role })
    .from(memberships)
    .innerJoin(organizations, eq(organizations.id, memberships.organizationId))
    .where(eq(memberships.userId, caller.userId))
    .orderBy(organizations.name);
  return { user: { id: caller.userId, name: caller.name }, organizations: rows, isAdmin: caller.isAdmin };
}
