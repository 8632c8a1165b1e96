import { z } from 'zod';
import {
  appendLogsSchema,
  buildSchema,
  changeBuildSchema,
  logPageSchema,
  startBuildSchema,
} from '../../contracts/control-api-admin.ts';
import { changeBuild, getBuild, listBuilds, startBuild, toBuild } from '../builds/build.ts';
import { appendLogs, readLogs } from '../builds/logs.ts';
import { projectOperation, type Operation } from './operation.ts';

const project = z.string().min(1).max(100);
const one = z.object({ project, id: z.uuid() });
const MAX_WAIT_MS = 30_000;

export const buildOperations: readonly Operation[] = [
  projectOperation(
    {
      name: 'builds.start',
      summary: 'Registers a build',
      method: 'POST',
      path: '/projects/:project/builds',
      status: 201,
      right: 'deploy',
      params: z.object({ project }),
      body: startBuildSchema,
      answer: buildSchema,
    },
    (context, input) => startBuild(context, input),
  ),
  projectOperation(
    {
      name: 'builds.list',
      summary: 'Lists builds, newest first',
      method: 'GET',
      path: '/projects/:project/builds',
      right: 'read',
      params: z.object({ project, limit: z.coerce.number().int().min(1).max(200).default(50) }),
      answer: z.object({ builds: z.array(buildSchema) }),
    },
    async (context, input) => ({ builds: await listBuilds(context, input.project, input.params.limit) }),
  ),
  projectOperation(
    {
      name: 'builds.get',
      summary: 'One build',
      method: 'GET',
      path: '/projects/:project/builds/:id',
      right: 'read',
      params: one,
      answer: buildSchema,
    },
    async (context, input) => toBuild(await getBuild(context.db, input.project, input.params.id)),
  ),
  projectOperation(
    {
      name: 'builds.change',
      summary: 'Changes the status of a build',
      method: 'PATCH',
      path: '/projects/:project/builds/:id',
      right: 'deploy',
      params: one,
      body: changeBuildSchema,
      answer: buildSchema,
    },
    (context, input) => changeBuild(context, { ...input, id: input.params.id }),
  ),
  projectOperation(
    {
      name: 'builds.appendLogs',
      summary: 'Appends lines to the log of a running build',
      method: 'POST',
      path: '/projects/:project/builds/:id/logs',
      right: 'deploy',
      params: one,
      body: appendLogsSchema,
      answer: z.object({ next: z.number() }),
    },
    (context, input) =>
      appendLogs(context, { project: input.project, id: input.params.id, entries: input.body.entries }),
  ),
  projectOperation(
    {
      name: 'builds.readLogs',
      summary:
        'Lines of a build after a position; with `waitMs` held until there are some or the build ended',
      method: 'GET',
      path: '/projects/:project/builds/:id/logs',
      right: 'read',
      params: one.extend({
        after: z.coerce.number().int().min(0).default(0),
        waitMs: z.coerce.number().int().min(0).max(MAX_WAIT_MS).default(0),
      }),
      answer: logPageSchema,
    },
    (context, input) => readLogs(context, { ...input.params, project: input.project, signal: input.signal }),
  ),
];
