import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiPaths } from '../../contracts/control-api.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import {
  askConfig,
  deploy,
  sha256,
  startTestControlApi,
  upload,
  type TestControlApi,
} from '../support/control-api.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.close());

async function keysOf(store: ObjectStore, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys.toSorted();
}

const shared = { path: '/shared.txt', content: 'shared by both' };
const file = (text: string): { path: string; content: string } => ({ path: '/only.txt', content: text });

describe.each(['pglite', 'postgres'] as const)('deletion on %s', (kind) => {
  let dir: TempDir;
  let api: TestControlApi;

  beforeAll(async () => {
    dir = await makeTempDir('delete');
    const env = kind === 'postgres' ? { DATABASE_URL: await server.createDatabase() } : {};
    api = await startTestControlApi({ directory: dir.path, env });
  });
  afterAll(async () => {
    await api.close();
    await dir.remove();
  });

  it('removes a deployment, its preview host, and the objects that no other deployment shares', async () => {
    const { body: project } = await api.send('POST', apiPaths.projects(), { name: 'one' });
    const compressible = { path: '/long.txt', content: 'again and again\n'.repeat(200) };
    const old = await deploy(api, 'one', [shared, file('old'), compressible]);
    const live = await deploy(api, 'one', [shared, file('live')]);
    expect(
      (await api.send('DELETE', apiPaths.deployment('one', live.deployment.id))).body.error.message,
    ).toMatch(/track production shows this deployment/);

    const deleted = await api.send('DELETE', apiPaths.deployment('one', old.deployment.id));
    // The file itself, the long one, and its three encoded forms.
    expect(deleted.body).toMatchObject({ kind: 'deployment', objects: 5 });
    expect((await askConfig(api, old.deployment.previewHost)).status).toBe(404);
    expect((await api.send('GET', apiPaths.deployment('one', old.deployment.id))).status).toBe(404);
    expect(await keysOf(api.store, `deployments/${old.deployment.id}/`)).toEqual([]);
    expect(await keysOf(api.store, `projects/${project.id}/objects/`)).toEqual(
      [sha256(shared.content), sha256('live')]
        .map((hash) => `projects/${project.id}/objects/${hash}`)
        .toSorted(),
    );
    expect((await askConfig(api, live.deployment.previewHost)).status).toBe(200);
  });

  it('asks again for an object that was collected', async () => {
    await deploy(api, 'one', [file('old')]);
    const again = await deploy(api, 'one', [shared, file('live')]);
    expect(again.outcome).toBe('live');
  });

  it('keeps the objects of a deployment that is being uploaded', async () => {
    const begun = await upload(api, 'one', [file('under way')]);
    const victim = await deploy(api, 'one', [file('victim')], { track: 'other' });
    await deploy(api, 'one', [file('successor')], { track: 'other' });
    await api.send('DELETE', apiPaths.deployment('one', victim.deployment.id));
    const finished = await api.send('POST', apiPaths.finish('one', begun.deployment.id), {});
    expect(finished.status).toBe(200);
  });

  it('removes a project with everything in it, and frees its domains', async () => {
    const { body: project } = await api.send('POST', apiPaths.projects(), { name: 'two' });
    const domains = ['www.two.example'];
    const { deployment } = await deploy(api, 'two', [shared, file('two')], { domains });
    const deleted = await api.send('DELETE', apiPaths.project('two'));
    expect(deleted.body).toMatchObject({ kind: 'project', id: project.id, objects: 4 });
    expect((await askConfig(api, 'www.two.example')).status).toBe(404);
    expect((await api.send('GET', apiPaths.project('two'))).status).toBe(404);
    expect(await keysOf(api.store, `projects/${project.id}/`)).toEqual([]);
    expect(await keysOf(api.store, `deployments/${deployment.id}/`)).toEqual([]);

    await api.send('POST', apiPaths.projects(), { name: 'two' });
    const again = await deploy(api, 'two', [file('two')], { domains });
    expect(again.domains.map(({ host }) => host)).toContain('www.two.example');
  });
});
