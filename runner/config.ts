import { z } from 'zod';
import { field, readEnvironment, type Environment } from '../core/env.ts';

/** The runner's own environment variables; those of the bucket and the cache come beside them. */
export const runnerFields: {
  RUNNER_PORT: z.ZodType<number>;
  RUNNER_HOST: z.ZodType<string>;
  RUNNER_SHARED_SECRET: z.ZodType<string | undefined>;
  RUNNER_MAX_PROCESSES: z.ZodType<number>;
  RUNNER_SPARE_PROCESSES: z.ZodType<number>;
  RUNNER_PROCESS_IDLE_MS: z.ZodType<number>;
  RUNNER_DRAIN_TIMEOUT_MS: z.ZodType<number>;
  ENVIRONMENT_KEY: z.ZodType<Buffer | undefined>;
  WORKERS_PATH: z.ZodType<string>;
  WORKERS_MAX_BYTES: z.ZodType<number>;
  WORKERS_IDLE_MS: z.ZodType<number>;
  FUNCTION_MAX_CALLS: z.ZodType<number>;
  FUNCTION_MAX_CALLS_PER_DEPLOYMENT: z.ZodType<number>;
  FUNCTION_TIMEOUT_MS: z.ZodType<number>;
  FUNCTION_STUCK_AFTER_MS: z.ZodType<number>;
  FUNCTION_MEMORY_MB: z.ZodType<number>;
  FUNCTION_MAX_CODE_BYTES: z.ZodType<number>;
  FUNCTION_NETWORK_ALLOW: z.ZodType<readonly string[]>;
  FUNCTION_NETWORK_DENY: z.ZodType<readonly string[]>;
  LOG_LEVEL: z.ZodType<string>;
} = {
  /** Port to listen on; default 9000, 0 takes a free one. */
  RUNNER_PORT: field.int(9000, 0, 65_535),
  /** Address to listen on; default 0.0.0.0. The port belongs on a private network: callers of it run code. */
  RUNNER_HOST: z.string().default('0.0.0.0'),
  /** Key of the callers' signature, 16 characters or more; when set, calls without a valid signature get 403. */
  RUNNER_SHARED_SECRET: z.string().min(16, 'must have 16 characters or more').optional(),
  /** Function processes at most, spare ones included; default 64. About 10 MiB each before its functions' own. */
  RUNNER_MAX_PROCESSES: field.int(64, 1, 10_000),
  /** Processes kept started for deployments that come; default 2. With 0 a cold start waits for a process. */
  RUNNER_SPARE_PROCESSES: field.int(2, 0, 100),
  /** A process without calls for so long is stopped, in milliseconds; default 600000 (10 minutes). */
  RUNNER_PROCESS_IDLE_MS: field.int(600_000, 1000, 86_400_000),
  /** At a stop, longest wait for calls under way, in milliseconds; default 30000, at most 50000. */
  RUNNER_DRAIN_TIMEOUT_MS: field.int(30_000, 0, 50_000),
  /** Opens sealed environments: 32 bytes, hex or base64. Without it only clear ones can be used. */
  ENVIRONMENT_KEY: z
    .string()
    .transform((text, context) => {
      const key = readKey(text);
      if (key !== undefined) return key;
      context.addIssue('must be 32 bytes in hex or base64');
      return z.NEVER;
    })
    .optional(),
  /** Directory for copies of the functions' code; default `.origan/workers`. Only the runner may write there. */
  WORKERS_PATH: z.string().default('.origan/workers'),
  /** Bytes that these copies may take; default 1 GiB. The longest unused go first. */
  WORKERS_MAX_BYTES: field.int(1024 ** 3),
  /** Copies unused for so long are removed, in milliseconds; default 1800000 (30 minutes). */
  WORKERS_IDLE_MS: field.int(1_800_000, 1000),
  /** Calls under way at once; default 2000. Past it: 503 with Retry-After. */
  FUNCTION_MAX_CALLS: field.int(2000, 1),
  /** The same for one deployment; default 500. */
  FUNCTION_MAX_CALLS_PER_DEPLOYMENT: field.int(500, 1),
  /** Longest wait for a function's headers, in milliseconds; default 60000. Past it: 500. */
  FUNCTION_TIMEOUT_MS: field.int(60_000, 1),
  /** A process that computes for so long without a pause is ended, in milliseconds; default 10000. */
  FUNCTION_STUCK_AFTER_MS: field.int(10_000, 100),
  /** Memory of a deployment's functions together, in MiB; default 256. Past it allocations fail or the process ends. */
  FUNCTION_MEMORY_MB: field.int(256, 32),
  /** Largest function code, in bytes; default 16 MiB. */
  FUNCTION_MAX_CODE_BYTES: field.int(16 * 1024 * 1024, 1),
  /**
   * Networks that functions may connect to: CIDR blocks, or the words `public`, `private`, `local`; default `public`,
   * alone `none` for no network at all.
   * `public,private` lets them reach a database in the same network, and everything else there.
   */
  FUNCTION_NETWORK_ALLOW: networks(['public']),
  /** Networks that they may not connect to although FUNCTION_NETWORK_ALLOW has them; default none. */
  FUNCTION_NETWORK_DENY: networks([]),
  /** Lowest level logged: trace, debug, info, warn, error, fatal, silent. Default info. */
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'must be a level, such as info')
    .default('info'),
};

export type RunnerConfig = {
  [Name in keyof typeof runnerFields]: z.output<(typeof runnerFields)[Name]>;
};

/** @throws ConfigError naming every wrong variable. */
export function readRunnerConfig(env: Environment): RunnerConfig {
  return readEnvironment('runner', z.object(runnerFields), env);
}

function readKey(text: string): Buffer | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return Buffer.from(text, 'base64');
  return undefined;
}

const NETWORK = /^(public|private|local|network|[0-9a-fA-F:.]+\/\d{1,3})$/;

function networks(fallback: readonly string[]): z.ZodType<readonly string[]> {
  return field.list().transform((items, context) => {
    if (items.length === 1 && items[0] === 'none') return [];
    if (items.every((item) => NETWORK.test(item))) return items.length === 0 ? fallback : items;
    context.addIssue('must be CIDR blocks or the words public, private, local, network, separated by commas');
    return z.NEVER;
  });
}
