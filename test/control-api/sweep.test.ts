import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminPaths, type SweepReport } from '../../contracts/control-api-admin.ts';
import { apiPaths } from '../../contracts/control-api.ts';
import { trackPaths, type Track } from '../../contracts/tracks.ts';
import type { OpenDatabase } from '../../control-api/database/database.ts';
import { connect } from '../../control-api/database/open-database.ts';
import { silentLogger } from '../../core/log.ts';
import {
  askConfig,
  deploy,
  sha256,
  startTestControlApi,
  upload,
  type Reply,
  type TestControlApi,
} from '../support/control-api.ts';
import { manualClock } from '../support/manual-clock.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const page = (text: string): { path: string; content: string } => ({ path: '/index.html', content: text });

describe('the sweeper', () => {
  let server: PostgresServer;
  let dir: TempDir;
  let api: TestControlApi;
  let database: OpenDatabase;
  let projectId = '';
  const clock = manualClock(Date.now());

  beforeAll(async () => {
    server = await startPostgres();
    dir = await makeTempDir('sweep');
    const url = await server.createDatabase();
    const env = { DATABASE_URL: url, DEPLOYMENT_RETENTION: '2' };
    api = await startTestControlApi({ directory: dir.path, env, clock });
    // A second connection, to make rows older than they are.
    database = await connect({ url, directory: '', poolSize: 1 }, silentLogger());
    projectId = (await api.send('POST', apiPaths.projects(), { name: 'site' })).body.id;
  });
  afterAll(async () => {
    await api.close();
    await database.close();
    await server.close();
    await dir.remove();
  });

  const sweep = async (): Promise<SweepReport> => (await api.send('POST', adminPaths.sweep())).body;
  const sql = (text: string): Promise<unknown> => database.withSession((session) => session.exec(text));
  /** As if everything had been shown, and replaced, a while ago. */
  const longAgo = (): Promise<unknown> =>
    sql("update replacements set replaced_at = replaced_at - interval '60 days'");
  const replacedDaysAgo = (days: number, id: string): Promise<unknown> =>
    sql(
      `update replacements set replaced_at = now() - interval '${days} days' where deployment_id = '${id}'`,
    );
  const objectFile = (hash: string): string =>
    join(dir.path, 'bucket', 'projects', projectId, 'objects', hash);

  it('finds nothing to do in a sound installation', async () => {
    await deploy(api, 'site', [page('one')]);
    const nothing = { pendingFlips: 0, givenUp: 0, deployments: 0, objects: 0, bytes: 0 };
    expect(await sweep()).toEqual({ ...nothing, strayObjects: 0, lostObjects: 0, cacheKeys: 0 });
  });

  it('gives up deployments that were not heard of, and collects what only they needed', async () => {
    const silent = await upload(api, 'site', [page('abandoned')]);
    const busy = await upload(api, 'site', [page('still at it')]);
    await sql(
      `update deployments set touched_at = now() - interval '2 hours' where id = '${silent.deployment.id}'`,
    );
    expect(await sweep()).toMatchObject({ givenUp: 1, objects: 1, bytes: 'abandoned'.length });
    const { body } = await api.send('GET', apiPaths.deployment('site', silent.deployment.id));
    expect(body).toMatchObject({ status: 'failed', failure: 'not heard of for too long' });
    const late = await api.send('POST', apiPaths.finish('site', silent.deployment.id), {});
    expect(late.body.error.message).toMatch(/Begin a new one/);
    expect((await api.send('POST', apiPaths.finish('site', busy.deployment.id), {})).body.outcome).toBe(
      'live',
    );
  });

  it('keeps as many deployments of a track as are to be kept, and always the one shown', async () => {
    const made: string[] = [];
    for (const text of ['a', 'b', 'c', 'd']) {
      made.push((await deploy(api, 'site', [page(text)], { track: 'kept' })).deployment.id);
    }
    await api.send('POST', apiPaths.promote('site', made[0] ?? ''), {});
    await longAgo();
    expect((await sweep()).deployments).toBeGreaterThanOrEqual(1);
    const { body } = await api.send('GET', `${apiPaths.deployments('site')}?track=kept`);
    const kept = body.deployments.map(({ id }: { id: string }) => id);
    expect(kept).toEqual([made[3], made[2], made[0]]);
  });

  it('keeps what was replaced within 30 days, for pages that are still open, unless the track says otherwise', async () => {
    const made: string[] = [];
    for (const text of ['a', 'b', 'c', 'd', 'e'])
      made.push((await deploy(api, 'site', [page(text)], { track: 'open' })).deployment.id);
    const kept = async (): Promise<number> => {
      await sweep();
      return (await api.send('GET', `${apiPaths.deployments('site')}?track=open`)).body.deployments.length;
    };
    expect(await kept()).toBe(5);
    await replacedDaysAgo(31, made[0] ?? '');
    await replacedDaysAgo(29, made[1] ?? '');
    expect(await kept()).toBe(4);
    await api.send('PATCH', trackPaths.track('site', 'open'), { retention: 1 });
    expect(await kept()).toBe(2);
  });

  it('keeps what another track showed within 30 days, as that track says', async () => {
    const built: string[] = [];
    for (const text of ['a', 'b', 'c', 'd'])
      built.push((await deploy(api, 'site', [page(text)], { track: 'built' })).deployment.id);
    for (const id of built.slice(0, 2)) {
      await api.send('POST', apiPaths.promote('site', id), { track: 'public' });
    }
    await deploy(api, 'site', [page('now')], { track: 'public' });
    await api.send('PATCH', trackPaths.track('site', 'built'), { retention: 0 });
    const kept = async (): Promise<string[]> => {
      await sweep();
      const { body } = await api.send('GET', `${apiPaths.deployments('site')}?track=built`);
      return body.deployments.map(({ id }: { id: string }) => id);
    };
    await replacedDaysAgo(31, built[0] ?? '');
    expect(await kept()).toEqual([built[3], built[1]]);
    await api.send('PATCH', trackPaths.track('site', 'public'), { retention: 0 });
    expect(await kept()).toEqual([built[3]]);
  });

  it('keeps as many as the track itself says, from none to the default again', async () => {
    const made: string[] = [];
    for (const text of ['1', '2', '3', '4', '5'])
      made.push((await deploy(api, 'site', [page(text)], { track: 'own' })).deployment.id);
    await longAgo();
    const keep = (retention: number | null): Promise<Reply> =>
      api.send('PATCH', trackPaths.track('site', 'own'), { retention });
    const kept = async (): Promise<string[]> => {
      await sweep();
      const { body } = await api.send('GET', `${apiPaths.deployments('site')}?track=own`);
      return body.deployments.map(({ id }: { id: string }) => id);
    };
    expect((await keep(3)).body).toMatchObject({ name: 'own', retention: 3, kept: 3, deploymentId: made[4] });
    expect(await kept()).toEqual([made[4], made[3], made[2], made[1]]);
    expect((await keep(null)).body).toMatchObject({ retention: null, kept: 2 });
    expect(await kept()).toEqual([made[4], made[3], made[2]]);
    await keep(0);
    expect(await kept()).toEqual([made[4]]);
    const { body } = await api.send('GET', trackPaths.tracks('site'));
    expect(body.tracks.find((track: Track) => track.name === 'own')).toMatchObject({ retention: 0, kept: 0 });
    expect((await api.send('PATCH', trackPaths.track('site', 'nothing'), { retention: 1 })).status).toBe(404);
    for (const retention of [-1, 1.5, '3', undefined]) {
      const refused = await api.send('PATCH', trackPaths.track('site', 'own'), { retention });
      expect([retention, refused.status]).toEqual([retention, 400]);
    }
  });

  it('deletes bytes that no row knows of once they are old, and nothing that is not its own', async () => {
    const stray = sha256('stray');
    await api.store.put(`projects/${projectId}/objects/${stray}`, Buffer.from('stray'));
    await api.store.put('certificates/www.example.com/certificate.pem', Buffer.from('pem'));
    await api.store.put(`projects/${projectId}/objects/notes.txt`, Buffer.from('notes'));
    expect((await sweep()).strayObjects).toBe(0);
    clock.advance(2 * 3_600_000);
    expect((await sweep()).strayObjects).toBe(1);
    expect(await api.store.head(`projects/${projectId}/objects/${stray}`)).toBeUndefined();
    expect(await api.store.head('certificates/www.example.com/certificate.pem')).toBeDefined();
    expect(await api.store.head(`projects/${projectId}/objects/notes.txt`)).toBeDefined();
  });

  it('has objects that the bucket has lost uploaded again', async () => {
    const content = 'precious';
    await deploy(api, 'site', [page(content)]);
    await rm(objectFile(sha256(content)));
    clock.advance(2 * 3_600_000);
    expect((await sweep()).lostObjects).toBe(1);
    const begun = await upload(api, 'site', [page(content)]);
    expect(begun.missing).toEqual([sha256(content)]);
  });

  it('goes on with deletions that broke off', async () => {
    const { deployment } = await deploy(api, 'site', [page('to go')], { track: 'gone' });
    await sql(`insert into pending_deletions (prefix) values ('deployments/${deployment.id}/')`);
    await sweep();
    expect(await api.store.head(`deployments/${deployment.id}/manifest.json`)).toBeUndefined();
  });

  it('says which deployments and projects exist', async () => {
    const { deployment } = await deploy(api, 'site', [page('here')]);
    const missing = '00000000-0000-4000-8000-000000000000';
    const asked = { deployments: [deployment.id, missing], projects: [projectId, missing] };
    const { body } = await api.send('POST', adminPaths.exist(), asked);
    expect(body).toEqual({ deployments: [deployment.id], projects: [projectId] });
  });

  it('lets deploys go on at the same time', async () => {
    const texts = Array.from({ length: 12 }, (_value, index) => `busy ${index % 3}`);
    const sweeps = async (): Promise<void> => {
      for (let round = 0; round < 10; round += 1) await sweep();
    };
    const deploys = texts.map((text, index) => deploy(api, 'site', [page(text)], { track: `t${index % 4}` }));
    const [results] = await Promise.all([Promise.all(deploys), sweeps()]);
    for (const { deployment } of results) {
      if (!deployment.isLive) continue;
      const { body } = await askConfig(api, deployment.previewHost);
      for (const { hash } of body.result.data.json.config.resources) {
        expect(await api.store.head(`projects/${projectId}/objects/${hash}`)).toBeDefined();
      }
    }
  });
});
