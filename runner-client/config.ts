import { z } from 'zod';
import { field } from '../core/env.ts';

/** The environment variables of a runner client: a program that calls runners merges them into its own. */
export const runnerClientFields: {
  RUNNER_URL: z.ZodType<readonly string[]>;
  RUNNER_CONNECT_TIMEOUT_MS: z.ZodType<number>;
  RUNNER_FIRST_BYTE_TIMEOUT_MS: z.ZodType<number>;
  RUNNER_IDLE_TIMEOUT_MS: z.ZodType<number>;
  RUNNER_MAX_CALLS: z.ZodType<number>;
  RUNNER_MAX_CALLS_PER_DEPLOYMENT: z.ZodType<number>;
  RUNNER_SHARED_SECRET: z.ZodType<string | undefined>;
} = {
  /** Base URLs of the runners, comma-separated. Required. A deployment keeps to one of them while it is healthy. */
  RUNNER_URL: z.string().transform((text, context) => {
    const urls = text.split(',').map((url) => url.trim().replace(/\/+$/, ''));
    if (urls.every(isBaseUrl) && new Set(urls).size === urls.length) return urls;
    context.addIssue('must be one or more different http:// or https:// URLs, separated by commas');
    return z.NEVER;
  }),
  /** Longest wait for a connection to a runner, in milliseconds; default 2000. Past it: 502, or another runner. */
  RUNNER_CONNECT_TIMEOUT_MS: field.int(2000, 1, 600_000),
  /** Longest wait for the headers of the answer once the request is sent, in milliseconds; default 30000. Past it: 504. */
  RUNNER_FIRST_BYTE_TIMEOUT_MS: field.int(30_000, 1, 3_600_000),
  /**
   * Longest silence within a response body, in milliseconds; default 120000. Past it the body is cut as broken. Time in
   * which the client does not read does not count, and there is no limit on the whole.
   */
  RUNNER_IDLE_TIMEOUT_MS: field.int(120_000, 1, 86_400_000),
  /** Calls under way at once, streams and WebSockets included; default 2000. Past it: 503. */
  RUNNER_MAX_CALLS: field.int(2000, 1, 1_000_000),
  /** The same for one deployment, so that one site cannot use up all; default 500. Past it: 503. */
  RUNNER_MAX_CALLS_PER_DEPLOYMENT: field.int(500, 1, 1_000_000),
  /** Key of the signature over the platform's headers, 16 characters or more; no signature when not set. */
  RUNNER_SHARED_SECRET: z.string().min(16, 'must have 16 characters or more').optional(),
};

export type RunnerClientConfig = {
  [Name in keyof typeof runnerClientFields]: z.output<(typeof runnerClientFields)[Name]>;
};

function isBaseUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '';
}
