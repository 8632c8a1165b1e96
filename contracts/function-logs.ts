import { z } from 'zod';
import type { LogEntry } from './control-api-admin.ts';
import { API_PREFIX } from './control-api.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** From the least to the most urgent. */
export const LOG_LEVELS: readonly [LogLevel, ...LogLevel[]] = ['debug', 'info', 'warn', 'error'];

/** Longest message that is kept of one line, in bytes of UTF-8. */
export const MAX_MESSAGE_BYTES = 4096;

/** One line as runners keep it in the shared cache, under the key of its deployment. */
export type FunctionLogLine = {
  timeMs: number;
  level: LogLevel;
  message: string;
  /** Who wrote it: the function itself, or the platform about it (an end, a time-out, dropped lines). */
  source: 'function' | 'platform';
  /** The request that it belongs to, where that is known: `x-request-id` of the answer. */
  requestId?: string | undefined;
  /** The function's code: its path within the deployment, or `objects/{SHA-256}`. */
  path?: string | undefined;
  /** The message was longer than MAX_MESSAGE_BYTES; this is its beginning. */
  isTruncated?: true | undefined;
};

export const functionLogLineSchema: z.ZodType<FunctionLogLine> = z.object({
  timeMs: z.number(),
  level: z.enum(LOG_LEVELS),
  message: z.string(),
  source: z.enum(['function', 'platform']),
  requestId: z.string().optional(),
  path: z.string().optional(),
  isTruncated: z.literal(true).optional(),
});

/**
 * GET: `FunctionLogPage`, the lines of one deployment: `?deployment=` by id, `?domain=` what a host shows, else what
 * `?track=` shows (default: production), also where that changes while they are followed. `?level=`, `?since=` (a date)
 * and `?request=` choose among them; `?tail=` begins with the last so many. `?cursor=` goes on where a page ended, with
 * `?waitMs=` held until there is more.
 */
export function functionLogsPath(project: string): string {
  return `${API_PREFIX}/projects/${encodeURIComponent(project)}/logs`;
}

export type FunctionLogEntry = LogEntry & {
  deploymentId: string;
  source: FunctionLogLine['source'];
  requestId?: string | undefined;
  /** The route at which the function answers, such as `/api/:name`; its path where the manifest no longer has it. */
  route?: string | undefined;
  /** The message was longer than what is kept of one. */
  isTruncated?: true | undefined;
};

export type FunctionLogPage = {
  entries: FunctionLogEntry[];
  /** Pass as `cursor` to go on where this page ended. */
  cursor: string;
  /** Whether there was nothing more at that moment. */
  isAtEnd: boolean;
  /** Lines between the cursor that was given and these are gone: written faster than they were read. */
  isTruncated: boolean;
  /** Whose lines these are, the newest last; none where nothing is shown yet. */
  deploymentIds: string[];
  /** Where lines are kept: `memory` is that of this process alone, `disabled` means nowhere. */
  storage: 'shared' | 'memory' | 'disabled';
};

export const MAX_LOG_TAIL = 2000;

export const functionLogPageSchema: z.ZodType<FunctionLogPage> = z.object({
  entries: z.array(
    z.object({
      timestamp: z.string(),
      level: z.enum(LOG_LEVELS),
      message: z.string(),
      deploymentId: z.string(),
      source: z.enum(['function', 'platform']),
      requestId: z.string().optional(),
      route: z.string().optional(),
      isTruncated: z.literal(true).optional(),
    }),
  ),
  cursor: z.string(),
  isAtEnd: z.boolean(),
  isTruncated: z.boolean(),
  deploymentIds: z.array(z.string()),
  storage: z.enum(['shared', 'memory', 'disabled']),
});
