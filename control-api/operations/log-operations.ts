import { z } from 'zod';
import { functionLogPageSchema, LOG_LEVELS, MAX_LOG_TAIL } from '../../contracts/function-logs.ts';
import { readFunctionLogs } from '../function-logs/read.ts';
import { projectOperation, type Operation } from './operation.ts';

const MAX_WAIT_MS = 30_000;

export const logOperations: readonly Operation[] = [
  projectOperation(
    {
      name: 'logs.read',
      summary:
        'What functions wrote, after a cursor; with `waitMs` held until there is more. Of a deployment, of what a domain shows, or of what a track shows',
      method: 'GET',
      path: '/projects/:project/logs',
      right: 'read',
      params: z.object({
        project: z.string().min(1).max(100),
        deployment: z.uuid().optional(),
        domain: z.string().min(1).max(300).optional(),
        track: z.string().min(1).max(100).optional(),
        level: z.enum(LOG_LEVELS).optional(),
        since: z.iso.datetime({ offset: true }).optional(),
        request: z.string().min(1).max(128).optional(),
        tail: z.coerce.number().int().min(1).max(MAX_LOG_TAIL).optional(),
        cursor: z.string().max(1000).optional(),
        waitMs: z.coerce.number().int().min(0).max(MAX_WAIT_MS).default(0),
      }),
      answer: functionLogPageSchema,
    },
    async (context, { project, params, signal }) => {
      const { since, ...rest } = params;
      const sinceMs = since === undefined ? undefined : Date.parse(since);
      return await readFunctionLogs(context, { ...rest, sinceMs, project, signal });
    },
  ),
];
