import { afterEach, expect, test } from 'vitest';
import type { FunctionResource } from '../../../contracts/manifest.ts';
import type { SiteRecord } from '../../../contracts/site.ts';
import { createFunctionPrefetcher } from '../../../gateway/functions/prefetch-functions.ts';
import { createSiteCompiler } from '../../../gateway/site/site-compiler.ts';
import { closeClients, makeCall, makeClient } from '../../runner-client/make-call.ts';
import { closeRunners, deploy, startTestRunner } from '../../runner/start-test-runner.ts';
import { waitUntil } from '../../support/wait-until.ts';

afterEach(async () => {
  await closeClients();
  await closeRunners();
});

function siteOf(deploymentId: string, paths: readonly string[]): SiteRecord {
  const resources = paths.map((path): FunctionResource => ({
    kind: 'dynamic',
    urlPath: `/${path}`,
    resourcePath: path,
  }));
  return { deploymentId, projectId: 'proj1', config: { version: 1, resources } };
}

test('the functions of a build that is shown for the first time are loaded before anybody calls them', async () => {
  const runner = await startTestRunner();
  const code = 'console.log("top level"); export default { fetch: () => new Response("ran") };';
  for (const path of ['a.js', 'b.js']) await deploy(runner, code, { deploymentId: 'shown', path });
  const first = await deploy(runner, code, { deploymentId: 'first' });
  const client = makeClient(runner.url, { RUNNER_FIRST_BYTE_TIMEOUT_MS: '20000' });
  // The client has to have met the runner.
  const reply = await client.call(makeCall({ deploymentId: 'first', functionKey: first.key }));
  reply.body.resume();
  const prefetcher = createFunctionPrefetcher(client, async () => undefined);
  const compile = createSiteCompiler({ onNewBuild: (record) => prefetcher.add(record) });
  compile(siteOf('shown', ['a.js', 'b.js']), false);
  const loads = async (): Promise<string> =>
    runner.registry.getSingleMetricAsString('function_cold_start_seconds');
  await waitUntil(async () => (await loads()).includes('function_cold_start_seconds_count 3'));
  expect(
    runner.logs().filter(({ output, deploymentId }) => output !== undefined && deploymentId === 'shown'),
  ).toEqual([]);
  await prefetcher.close();
});

test('a build is prefetched once, only if it has functions, and not more than a few of them', async () => {
  const asked: string[] = [];
  const prefetch = async ({ deploymentId }: { deploymentId: string }): Promise<boolean> => {
    asked.push(deploymentId);
    return true;
  };
  const prefetcher = createFunctionPrefetcher({ prefetch }, async () => undefined);
  const compile = createSiteCompiler({ onNewBuild: (record) => prefetcher.add(record) });
  compile(siteOf('none', []), false);
  for (let round = 0; round < 3; round += 1)
    compile(
      siteOf(
        'many',
        Array.from({ length: 20 }, (_, n) => `${n}.js`),
      ),
      false,
    );
  await waitUntil(() => asked.length >= 8);
  await prefetcher.close();
  expect(asked).toEqual(Array.from({ length: 8 }, () => 'many'));
});
