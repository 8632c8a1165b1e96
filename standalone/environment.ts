import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Environment } from '../core/env.ts';

const DEFAULT_STATE_DIR = '.origan';

/**
 * The environment of the whole system in one process: what is set counts, what is missing gets embedded parts (a
 * directory in place of the bucket, PGlite in place of Postgres, memory in place of the cache server).
 */
export function standaloneEnvironment(env: Environment): Record<string, string> {
  const given = Object.fromEntries(Object.entries(env).filter(isSet));
  const stateDir = resolve(given['ORIGAN_STATE_DIR'] ?? DEFAULT_STATE_DIR);
  const merged = {
    BUCKET_URL: join(stateDir, 'bucket'),
    WORKERS_PATH: join(stateDir, 'workers'),
    GATEWAY_HOST: '127.0.0.1',
    GATEWAY_PORT: '7777',
    CONTROL_API_PORT: '7780',
    RUNNER_HOST: '127.0.0.1',
    RUNNER_PORT: '9000',
    LOG_LEVEL: 'warn',
    ACCESS_LOG: 'false',
    // One person's machine: a drain as long as production's would only keep Ctrl-C waiting.
    DRAIN_TIMEOUT_MS: '1000',
    RUNNER_DRAIN_TIMEOUT_MS: '1000',
    ...given,
    ORIGAN_STATE_DIR: stateDir,
  };
  return {
    ORIGAN_DEPLOY_DOMAIN: `localhost:${portOf(merged.GATEWAY_PORT)}`,
    CONTROL_API_URL: `http://127.0.0.1:${portOf(merged.CONTROL_API_PORT)}`,
    RUNNER_URL: `http://127.0.0.1:${portOf(merged.RUNNER_PORT)}`,
    ...merged,
  };
}

/** A port that is none is reported under its own name, not under those of the addresses made of it. */
function portOf(text: string): string {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? text : '1';
}

/** Makes the directories that stand in for servers. @throws when the state directory cannot be written. */
export function makeStateDirectories(environment: Record<string, string>): void {
  const { ORIGAN_STATE_DIR = DEFAULT_STATE_DIR, BUCKET_URL } = environment;
  mkdirSync(ORIGAN_STATE_DIR, { recursive: true });
  const embeddedBucket = join(ORIGAN_STATE_DIR, 'bucket');
  if (BUCKET_URL === embeddedBucket) mkdirSync(embeddedBucket, { recursive: true });
}

function isSet(entry: [string, string | undefined]): entry is [string, string] {
  return entry[1] !== undefined && entry[1] !== '';
}
