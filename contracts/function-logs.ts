import { z } from 'zod';

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
  /** Path of the function within its deployment. */
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
