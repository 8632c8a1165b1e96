import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { TEST_TOKEN } from '../../support/control-api.ts';
import { REPOSITORY } from '../../support/process.ts';

/**
 * A control API in a process of its own that has loaded everything, and starts and dies when it is told to.
 *
 * @param env added to what each of them needs.
 */
export function forkCrashing(options: {
  databaseUrl: string;
  bucket: string;
  cacheUrl: string;
  stateDirectory: string;
  env?: Readonly<Record<string, string>>;
}): ChildProcess {
  return fork(join(REPOSITORY, 'test/control-api/programs/crashing-control-api.ts'), {
    env: {
      PATH: process.env['PATH'],
      // Some dozens of processes load the same code.
      NODE_COMPILE_CACHE: join(REPOSITORY, 'node_modules', '.cache', 'origan-tests', 'compiled'),
      TEST_DATABASE_URL: options.databaseUrl,
      TEST_BUCKET: options.bucket,
      TEST_CACHE_URL: options.cacheUrl,
      CONTROL_API_PORT: '0',
      CONTROL_API_ADMIN_PORT: '0',
      CONTROL_API_TOKEN: TEST_TOKEN,
      ORIGAN_DEPLOY_DOMAIN: 'example.app',
      ORIGAN_STATE_DIR: options.stateDirectory,
      SWEEP_INTERVAL_MS: '0',
      ...options.env,
    },
  });
}
