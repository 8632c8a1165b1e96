import { z } from 'zod';
import {
  changeEnvironmentSchema,
  environmentInfoSchema,
  environmentNameSchema,
} from '../../contracts/control-api-admin.ts';
import { forbidden, hasRight } from '../access/rights.ts';
import { changeEnvironment, getEnvironment, listEnvironments } from '../environments/environment.ts';
import { projectOperation, type Operation } from './operation.ts';

const project = z.string().min(1).max(100);
const one = z.object({ project, name: environmentNameSchema });

export const environmentOperations: readonly Operation[] = [
  projectOperation(
    {
      name: 'environments.list',
      summary: 'Lists the environments of a project and the names of their variables',
      method: 'GET',
      path: '/projects/:project/environments',
      right: 'read',
      params: z.object({ project }),
      answer: z.object({ environments: z.array(environmentInfoSchema) }),
    },
    async (context, input) => ({ environments: await listEnvironments(context, input.project) }),
  ),
  projectOperation(
    {
      name: 'environments.get',
      summary: 'One environment; its values only with `reveal=true` and the right to manage',
      method: 'GET',
      path: '/projects/:project/environments/:name',
      right: 'read',
      params: one.extend({ reveal: z.stringbool().or(z.boolean()).default(false) }),
      answer: environmentInfoSchema,
    },
    async (context, { caller, project: held, params }) => {
      const { name, reveal } = params;
      if (reveal && (await hasRight(context, caller, held.organizationId, 'manage')) !== 'yes') {
        throw forbidden('manage');
      }
      return await getEnvironment(context, { project: held, name, reveal });
    },
  ),
  projectOperation(
    {
      name: 'environments.change',
      summary: 'Sets and removes variables: a new revision, for deployments from now on',
      method: 'PATCH',
      path: '/projects/:project/environments/:name',
      right: 'manage',
      params: one,
      body: changeEnvironmentSchema,
      answer: environmentInfoSchema,
    },
    (context, input) => changeEnvironment(context, { ...input, name: input.params.name }),
  ),
];
