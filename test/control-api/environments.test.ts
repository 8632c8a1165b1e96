import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminPaths } from '../../contracts/control-api-admin.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { openEnvironment } from '../../contracts/sealed-environment.ts';
import { deploy, startTestControlApi, type Reply, type TestControlApi } from '../support/control-api.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const key = randomBytes(32);
const page = { path: '/index.html', content: 'hello' };

describe('environments', () => {
  let dir: TempDir;
  let api: TestControlApi;

  beforeAll(async () => {
    dir = await makeTempDir('environments');
    api = await startTestControlApi({
      directory: dir.path,
      env: { ENVIRONMENT_KEY: key.toString('base64') },
    });
    await api.send('POST', apiPaths.projects(), { name: 'site' });
  });
  afterAll(async () => {
    await api.close();
    await dir.remove();
  });

  const path = adminPaths.environment('site', 'production');
  const change = (body: unknown): Promise<Reply> => api.send('PATCH', path, body);
  const metadataOf = async (id: string): Promise<Record<string, unknown>> => {
    const bytes = await api.store.read(`deployments/${id}/metadata.json`, { maxBytes: 100_000 });
    return JSON.parse(String(bytes));
  };

  it('are empty at first, and change by revisions', async () => {
    expect((await api.send('GET', path)).body).toEqual({
      name: 'production',
      revisionId: null,
      createdAt: null,
      names: [],
    });
    const first = await change({ set: { API_KEY: 'secret-1', MODE: 'x' } });
    expect(first.body).toMatchObject({ names: ['API_KEY', 'MODE'] });
    expect(first.body.variables).toBeUndefined();
    const second = await change({ set: { API_KEY: 'secret-2' }, unset: ['MODE'] });
    expect(second.body.names).toEqual(['API_KEY']);
    expect(second.body.revisionId).not.toBe(first.body.revisionId);
    const revealed = await api.send('GET', `${path}?reveal=true`);
    expect(revealed.body.variables).toEqual({ API_KEY: 'secret-2' });
  });

  it('reach the runner sealed, as they were when the deployment began', async () => {
    await change({ set: { API_KEY: 'at-deploy' } });
    const { deployment } = await deploy(api, 'site', [page]);
    await change({ set: { API_KEY: 'later' } });
    const metadata = await metadataOf(deployment.id);
    expect(JSON.stringify(metadata)).not.toContain('at-deploy');
    expect(metadata['environmentVariables']).toBeUndefined();
    const sealed = String(metadata['sealedEnvironment']);
    expect(openEnvironment(sealed, deployment.id, key)).toMatchObject({ API_KEY: 'at-deploy' });
    expect(() => openEnvironment(sealed, 'another-deployment', key)).toThrow();
  });

  it('are those of `preview` on every other track', async () => {
    await api.send('PATCH', adminPaths.environment('site', 'preview'), { set: { WHERE: 'preview' } });
    const { deployment } = await deploy(api, 'site', [page], { track: 'pr-7' });
    const metadata = await metadataOf(deployment.id);
    expect(openEnvironment(String(metadata['sealedEnvironment']), deployment.id, key)).toEqual({
      WHERE: 'preview',
    });
  });

  it('lose no change when many come at once', async () => {
    const busy = adminPaths.environment('site', 'busy');
    const names = Array.from({ length: 20 }, (_value, index) => `V${index}`);
    await Promise.all(names.map((name) => api.send('PATCH', busy, { set: { [name]: '1' } })));
    expect((await api.send('GET', busy)).body.names).toEqual(names.toSorted());
  });

  it('refuse names and sizes that no function could use', async () => {
    for (const body of [{ set: { 'a b': '1' } }, { set: { A: 1 } }, { unset: [''] }, { other: 1 }]) {
      expect((await change(body)).status).toBe(400);
    }
    const huge = Object.fromEntries(
      Array.from({ length: 10 }, (_value, index) => [`H${index}`, 'x'.repeat(60_000)]),
    );
    expect((await change({ set: huge })).body.error.message).toMatch(
      /at most 500 variables and 262144 bytes/,
    );
  });

  it('keep no value in clear in the database', async () => {
    await api.close();
    const { openPglite } = await import('../../control-api/database/open-pglite.ts');
    const { silentLogger } = await import('../../core/log.ts');
    const database = await openPglite(`${dir.path}/database`, silentLogger());
    const rows = await database.withSession((session) =>
      session.query('select * from environment_revisions'),
    );
    await database.close();
    expect(rows.length).toBeGreaterThan(3);
    expect(JSON.stringify(rows)).not.toMatch(/secret-|at-deploy|later/);
    api = await startTestControlApi({ directory: dir.path });
    const unreadable = await api.send('GET', `${path}?reveal=true`);
    expect(unreadable.body.error.message).toMatch(/Set ENVIRONMENT_KEY/);
  });
});
