import { z } from 'zod';
import { githubLinkSchema, githubTokenSchema } from '../../contracts/control-api-admin.ts';
import type { Caller } from '../access/caller.ts';
import { Failure } from '../failure.ts';
import { linkRepository, projectToken } from '../github/link.ts';
import { projectOperation, type Operation } from './operation.ts';

const params = z.object({ project: z.string().min(1).max(100) });

export const githubOperations: readonly Operation[] = [
  projectOperation(
    {
      name: 'github.link',
      summary: 'Links a project to a repository of a GitHub App installation',
      method: 'PUT',
      path: '/projects/:project/github',
      right: 'manage',
      params,
      body: githubLinkSchema,
      answer: githubLinkSchema,
    },
    async (context, { caller, project, body }) => {
      refuseUnlessAdmin(caller);
      return await linkRepository(context, project, body);
    },
  ),
  projectOperation(
    {
      name: 'github.unlink',
      summary: 'Ends the link between a project and its repository',
      method: 'DELETE',
      path: '/projects/:project/github',
      right: 'manage',
      params,
      answer: z.object({}),
    },
    (context, { project }) => linkRepository(context, project, undefined),
  ),
  projectOperation(
    {
      name: 'github.token',
      summary: "A token that reads the project's repository, good for five minutes at least",
      method: 'POST',
      path: '/projects/:project/github/token',
      right: 'deploy',
      params,
      answer: githubTokenSchema,
    },
    (context, { project }) => projectToken(context, project),
  ),
];

function refuseUnlessAdmin(caller: Caller): void {
  if (caller.isAdmin) return;
  throw new Failure('FORBIDDEN', 'Only an administrator of this installation may link repositories.');
}
