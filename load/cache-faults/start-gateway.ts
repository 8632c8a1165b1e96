import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StaticResource } from '../../contracts/manifest.ts';
import { resourceKey } from '../../contracts/object-keys.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { freePort } from '../../test/support/free-port.ts';
import { startNode } from '../../test/support/process.ts';
import { makeTempDir } from '../../test/support/temp-dir.ts';
import { scrape, sumOf } from '../support/scrape.ts';
import { startSlowControlApi } from './slow-control-api.ts';

const CONTROL_API_MS = 5;
export const TIMEOUT_MS = 100;
export const PATH = '/file.txt';
export const TEXT = 'known';

const FILE: StaticResource = { kind: 'static', urlPath: PATH, resourcePath: 'file.txt' };
const SITE: SiteRecord = {
  deploymentId: 'deployment',
  projectId: 'project',
  rev: 1,
  config: { version: 1, resources: [FILE] },
};

export type FaultedGateway = {
  url: string;
  /** Whether it uses the cache and its near copies. */
  isWell(): Promise<boolean>;
  /** Lines that it has logged. */
  logLines(): number;
  close(): Promise<void>;
};

/**
 * A gateway in a process of its own, as in production, but for two settings: near copies live 50 ms, so that the server
 * is asked all the time, and leases are short, so that their end falls within a fault.
 */
export async function startGateway(cache: { url: string }): Promise<FaultedGateway> {
  const bucket = await makeTempDir('faults');
  const path = join(bucket.path, resourceKey(SITE, FILE) ?? '');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, TEXT);
  const controlApi = await startSlowControlApi(SITE, CONTROL_API_MS);
  const [port, adminPort] = await Promise.all([freePort(), freePort()]);
  const program = startNode('gateway/main.ts', {
    env: {
      GATEWAY_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      GATEWAY_ADMIN_PORT: String(adminPort),
      CONTROL_API_URL: controlApi.url,
      RUNNER_URL: 'http://127.0.0.1:9',
      BUCKET_URL: bucket.path,
      ACCESS_LOG: 'false',
      CACHE_URL: cache.url,
      CACHE_TIMEOUT_MS: String(TIMEOUT_MS),
      CACHE_L1_TTL_MS: '50',
      CACHE_LEASE_MS: '1500',
    },
  });
  await program.waitFor(/"msg":"gateway listens"/);
  return {
    url: `http://127.0.0.1:${port}`,
    isWell: async () => {
      const samples = await scrape(`http://127.0.0.1:${adminPort}`);
      return sumOf(samples, 'cache_up', {}) === 1 && sumOf(samples, 'cache_lease_held', {}) === 1;
    },
    logLines: () => program.stdout().split('\n').length + program.stderr().split('\n').length,
    close: async () => {
      await program.stop();
      await controlApi.close();
      await bucket.remove();
    },
  };
}
