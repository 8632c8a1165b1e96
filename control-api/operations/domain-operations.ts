import { z } from 'zod';
import { deletedSchema, domainListSchema, domainSchema } from '../../contracts/control-api-answers.ts';
import { addDomainSchema } from '../../contracts/control-api-requests.ts';
import { addDomain, listDomains, removeDomain } from '../domains/domain.ts';
import { projectOperation, type Operation } from './operation.ts';

const project = z.string().min(1).max(100);
const inProject = z.object({ project });

export const domainOperations: readonly Operation[] = [
  projectOperation(
    {
      name: 'domains.list',
      summary: 'Lists the hosts of a project and what they show',
      method: 'GET',
      path: '/projects/:project/domains',
      right: 'read',
      params: inProject,
      answer: domainListSchema,
    },
    async (context, input) => ({ domains: await listDomains(context, input.project) }),
  ),
  projectOperation(
    {
      name: 'domains.add',
      summary: 'Points a custom domain at a track',
      method: 'POST',
      path: '/projects/:project/domains',
      status: 201,
      right: 'manage',
      params: inProject,
      body: addDomainSchema,
      answer: domainSchema,
    },
    (context, input) => addDomain(context, input),
  ),
  projectOperation(
    {
      name: 'domains.remove',
      summary: 'Removes a custom domain',
      method: 'DELETE',
      path: '/projects/:project/domains/:host',
      right: 'manage',
      params: z.object({ project, host: z.string().min(1).max(300) }),
      answer: deletedSchema,
    },
    (context, input) => removeDomain(context, { project: input.project, host: input.params.host }),
  ),
];
