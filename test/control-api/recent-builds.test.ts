import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createControlApiClient } from '../../gateway/site/control-api-client.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { silentLogger } from '../../core/log.ts';
import { deploy, startTestControlApi, type Reply, type TestControlApi } from '../support/control-api.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const HOST = 'www.example.com';

describe('the builds that a host showed before', () => {
  let dir: TempDir;
  let api: TestControlApi;
  const ids: string[] = [];
  let previewHost = '';

  beforeAll(async () => {
    dir = await makeTempDir('recent');
    api = await startTestControlApi({ directory: dir.path });
    await api.send('POST', apiPaths.projects(), { name: 'site' });
    for (const content of ['one', 'two', 'three']) {
      const { deployment } = await deploy(api, 'site', [{ path: '/a.txt', content }], { domains: [HOST] });
      ids.push(deployment.id);
      previewHost = deployment.previewHost;
    }
    await deploy(api, 'site', [{ path: '/a.txt', content: 'other' }], { track: 'pr-1' });
  });
  afterAll(async () => {
    await api.close();
    await dir.remove();
  });

  const recent = async (host: string): Promise<string[]> => {
    const client = createControlApiClient({
      url: api.url,
      procedure: 'deployments.getConfigByDomain',
      timeoutMs: 5000,
      log: silentLogger(),
    });
    return (await client.recentBuilds(host)).map(({ deploymentId }) => deploymentId);
  };

  it('are those of its track, newest first, without the present one', async () => {
    expect(await recent(HOST)).toEqual([ids[1], ids[0]]);
  });

  it('are none for a host that shows one deployment for ever, or that nobody knows', async () => {
    expect(await recent(previewHost)).toEqual([]);
    expect(await recent('unknown.example.com')).toEqual([]);
    expect(await recent('no host at all')).toEqual([]);
  });

  it('change with a rollback', async () => {
    const reply = await api.send('POST', apiPaths.rollback('site'), {});
    expect(reply.status).toBe(200);
    expect(new Set(await recent(HOST))).toEqual(new Set([ids[2], ids[0]]));
  });

  it('are those that the track showed, whichever track they were deployed to', async () => {
    await api.send('POST', apiPaths.projects(), { name: 'staged' });
    const staged = 'staged.example.com';
    const [first, second] = [
      await deploy(api, 'staged', [{ path: '/a.txt', content: 'first' }], { track: 'staging' }),
      await deploy(api, 'staged', [{ path: '/a.txt', content: 'second' }], { track: 'staging' }),
    ];
    const promote = (id: string): Promise<Reply> =>
      api.send('POST', apiPaths.promote('staged', id), { track: 'production' });
    await promote(first.deployment.id);
    await api.send('POST', apiPaths.domains('staged'), { host: staged });
    expect(await recent(staged)).toEqual([]);
    await promote(second.deployment.id);
    expect(await recent(staged)).toEqual([first.deployment.id]);
    await promote(first.deployment.id);
    expect(await recent(staged)).toEqual([second.deployment.id]);
  });
});
