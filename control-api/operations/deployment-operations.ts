import { z } from 'zod';
import {
  begunDeploymentSchema,
  deletedSchema,
  deploymentListSchema,
  deploymentSchema,
  flipResultSchema,
  missingSchema,
} from '../../contracts/control-api-answers.ts';
import {
  beginDeploymentSchema,
  finishDeploymentSchema,
  promoteSchema,
  rollbackSchema,
} from '../../contracts/control-api-requests.ts';
import { abortDeployment } from '../deployments/abort.ts';
import { beginDeployment } from '../deployments/begin.ts';
import { promoteDeployment, rollBack } from '../deployments/choose.ts';
import { deleteDeployment } from '../deployments/delete.ts';
import { getDeployment, listDeployments, toDeployment } from '../deployments/deployment.ts';
import { finishDeployment } from '../deployments/finish.ts';
import { missingObjects } from '../deployments/objects.ts';
import { projectOperation, type Operation } from './operation.ts';

const project = z.string().min(1).max(100);
const inProject = z.object({ project });
const one = z.object({ project, id: z.uuid() });
const page = z.object({
  project,
  track: z.string().max(63).optional(),
  before: z.uuid().optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export const deploymentOperations: readonly Operation[] = [
  projectOperation(
    {
      name: 'deployments.begin',
      summary: 'Begins a deployment; answers which objects are to be uploaded',
      method: 'POST',
      path: '/projects/:project/deployments',
      status: 201,
      right: 'deploy',
      params: inProject,
      body: beginDeploymentSchema,
      answer: begunDeploymentSchema,
    },
    (context, input) => beginDeployment(context, input),
  ),
  projectOperation(
    {
      name: 'deployments.list',
      summary: 'Lists deployments, newest first',
      method: 'GET',
      path: '/projects/:project/deployments',
      right: 'read',
      params: page,
      answer: deploymentListSchema,
    },
    (context, input) => listDeployments(context, input.project, input.params),
  ),
  projectOperation(
    {
      name: 'deployments.get',
      summary: 'One deployment',
      method: 'GET',
      path: '/projects/:project/deployments/:id',
      right: 'read',
      params: one,
      answer: deploymentSchema,
    },
    async (context, input) => {
      const row = await getDeployment(context.db, input.project, input.params.id);
      return toDeployment(context, input.project, row);
    },
  ),
  projectOperation(
    {
      name: 'deployments.delete',
      summary: 'Deletes a deployment that no track shows',
      method: 'DELETE',
      path: '/projects/:project/deployments/:id',
      right: 'manage',
      params: one,
      answer: deletedSchema,
    },
    (context, input) => deleteDeployment(context, { project: input.project, id: input.params.id }),
  ),
  projectOperation(
    {
      name: 'deployments.missing',
      summary: 'Hashes of the objects that are still to be uploaded',
      method: 'GET',
      path: '/projects/:project/deployments/:id/missing',
      right: 'deploy',
      params: one,
      answer: missingSchema,
    },
    async (context, input) => {
      const { id } = await getDeployment(context.db, input.project, input.params.id);
      return { missing: await missingObjects(context.db, id) };
    },
  ),
  projectOperation(
    {
      name: 'deployments.finish',
      summary: 'Completes a deployment and shows it on its track',
      method: 'POST',
      path: '/projects/:project/deployments/:id/finish',
      right: 'deploy',
      params: one,
      body: finishDeploymentSchema,
      answer: flipResultSchema,
    },
    (context, input) =>
      finishDeployment(context, {
        project: input.project,
        id: input.params.id,
        flip: input.body.flip ?? true,
      }),
  ),
  projectOperation(
    {
      name: 'deployments.abort',
      summary: 'Gives up a deployment that was begun',
      method: 'POST',
      path: '/projects/:project/deployments/:id/abort',
      right: 'deploy',
      params: one,
      answer: deploymentSchema,
    },
    (context, input) => abortDeployment(context, { project: input.project, id: input.params.id }),
  ),
  projectOperation(
    {
      name: 'deployments.promote',
      summary: 'Shows a complete deployment on a track',
      method: 'POST',
      path: '/projects/:project/deployments/:id/promote',
      right: 'deploy',
      params: one,
      body: promoteSchema,
      answer: flipResultSchema,
    },
    (context, input) =>
      promoteDeployment(context, { project: input.project, id: input.params.id, track: input.body.track }),
  ),
  projectOperation(
    {
      name: 'deployments.rollback',
      summary: 'Shows what a track showed before',
      method: 'POST',
      path: '/projects/:project/rollback',
      right: 'deploy',
      params: inProject,
      body: rollbackSchema,
      answer: flipResultSchema,
    },
    (context, input) => rollBack(context, input),
  ),
];
