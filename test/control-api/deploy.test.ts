import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiPaths } from '../../contracts/control-api.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import {
  askConfig,
  deploy,
  manifestOf,
  putObject,
  sha256,
  startTestControlApi,
  upload,
  type TestControlApi,
} from '../support/control-api.ts';
import { startPostgres, type PostgresServer } from '../support/postgres.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.close());

const page = (text: string): { path: string; content: string } => ({
  path: '/index.html',
  content: `<p>${text}`,
});

describe.each(['pglite', 'postgres'] as const)('deploying on %s', (kind) => {
  let dir: TempDir;
  let api: TestControlApi;
  let ref = '';

  beforeAll(async () => {
    dir = await makeTempDir('deploy');
    const env = kind === 'postgres' ? { DATABASE_URL: await server.createDatabase() } : {};
    api = await startTestControlApi({ directory: dir.path, env });
    const created = await api.send('POST', apiPaths.projects(), { name: 'site' });
    expect(created.status).toBe(201);
    ref = created.body.ref;
  });
  afterAll(async () => {
    await api.close();
    await dir.remove();
  });

  it('shows a deployment at its hosts only when it is finished', async () => {
    const files = [page('one'), { path: '/a b.css', content: 'p{}' }];
    const begun = await upload(api, 'site', files, { domains: ['Demo.Localhost:7777'] });
    expect(begun.missing).toHaveLength(2);
    expect((await askConfig(api, `${ref}.example.app`)).status).toBe(404);

    const finished = await api.send('POST', apiPaths.finish('site', begun.deployment.id), {});
    expect(finished.body).toMatchObject({
      outcome: 'live',
      isComplete: true,
      deployment: { status: 'success' },
    });
    for (const host of [`${ref}.example.app`, 'demo.localhost:7777', begun.deployment.previewHost]) {
      const reply = await askConfig(api, host);
      expect(reply.body.result.data.json).toMatchObject({
        deploymentId: begun.deployment.id,
        rev: expect.any(Number),
      });
      expect(reply.body.result.data.json.config.resources).toHaveLength(2);
    }
    const stored = await api.store.read(`deployments/${begun.deployment.id}/metadata.json`, {
      maxBytes: 10_000,
    });
    expect(JSON.parse(String(stored))).toMatchObject({
      deploymentId: begun.deployment.id,
      environmentVariables: {},
    });
  });

  it('asks only for what the project does not have', async () => {
    const files = [page('one'), { path: '/new.txt', content: 'new' }];
    const begun = await api.send('POST', apiPaths.deployments('site'), { manifest: manifestOf(files) });
    expect(begun.body.missing).toEqual([sha256('new')]);
  });

  it('gives every change a higher revision, a rollback too', async () => {
    const host = `${ref}.example.app`;
    const first = await deploy(api, 'site', [page('first')]);
    const second = await deploy(api, 'site', [page('second')]);
    const revOf = (result: { domains: { host: string; rev: number }[] }): number =>
      result.domains.find((domain) => domain.host === host)?.rev ?? 0;
    expect(revOf(second)).toBeGreaterThan(revOf(first));

    const back = await api.send('POST', apiPaths.rollback('site'), {});
    expect(back.body.deployment.id).toBe(first.deployment.id);
    expect(revOf(back.body)).toBeGreaterThan(revOf(second));
    expect((await askConfig(api, host)).body.result.data.json.deploymentId).toBe(first.deployment.id);

    const forward = await api.send('POST', apiPaths.promote('site', second.deployment.id), {});
    expect(forward.body).toMatchObject({ outcome: 'live', deployment: { isLive: true } });
  });

  it('goes back through what a track showed, whichever track that was deployed to', async () => {
    const name = 'going-back';
    await api.send('POST', apiPaths.projects(), { name });
    const put = async (content: string, track: string): Promise<string> =>
      (await deploy(api, name, [page(content)], { track })).deployment.id;
    const back = async (): Promise<string> => {
      const { status, body } = await api.send('POST', apiPaths.rollback(name), {});
      return status === 200 ? body.deployment.id : body.error.code;
    };
    const preview = await put('preview', 'pr-1');
    const first = await put('first', 'production');
    await api.send('POST', apiPaths.promote(name, preview), { track: 'production' });
    // The one that was promoted is older than what it replaced.
    expect(await back()).toBe(first);
    await api.send('POST', apiPaths.promote(name, preview), { track: 'production' });
    await put('second', 'production');
    expect(await back()).toBe(preview);
    // What was rolled back is not what was shown before the next one.
    await put('third', 'production');
    expect([await back(), await back(), await back()]).toEqual([preview, first, 'CONFLICT']);
    await api.send('POST', apiPaths.promote(name, preview), { track: 'production' });
    await put('fourth', 'production');
    await api.send('POST', apiPaths.promote(name, first), { track: 'production' });
    await put('fifth', 'pr-1');
    expect((await api.send('DELETE', apiPaths.deployment(name, preview))).status).toBe(200);
    await api.send('POST', apiPaths.rollback(name), {});
    // Deleted ones are passed over.
    expect(await back()).toBe(first);
  });

  it('lets a late old deployment show at its preview host only', async () => {
    const old = await upload(api, 'site', [page('old')]);
    const newer = await deploy(api, 'site', [page('newer')]);
    const late = await api.send('POST', apiPaths.finish('site', old.deployment.id), {});
    expect(late.body).toMatchObject({ outcome: 'superseded', supersededBy: newer.deployment.id });
    const shown = await askConfig(api, `${ref}.example.app`);
    expect(shown.body.result.data.json.deploymentId).toBe(newer.deployment.id);
    const preview = await askConfig(api, old.deployment.previewHost);
    expect(preview.body.result.data.json.deploymentId).toBe(old.deployment.id);
  });

  it('does not let a deployment begun before a rollback undo it', async () => {
    await deploy(api, 'site', [page('good')]);
    await deploy(api, 'site', [page('bad')]);
    const underWay = await upload(api, 'site', [page('begun before')]);
    const back = await api.send('POST', apiPaths.rollback('site'), {});
    const late = await api.send('POST', apiPaths.finish('site', underWay.deployment.id), {});
    expect(late.body.outcome).toBe('superseded');
    const after = await deploy(api, 'site', [page('begun after')]);
    expect(after.outcome).toBe('live');
    expect(back.status).toBe(200);
  });

  it('refuses to finish while objects are missing, and names them', async () => {
    const begun = await api.send('POST', apiPaths.deployments('site'), {
      manifest: manifestOf([page('never sent')]),
    });
    const finished = await api.send('POST', apiPaths.finish('site', begun.body.deployment.id), {});
    expect(finished.status).toBe(409);
    expect(finished.body.error.missing).toEqual([sha256('<p>never sent')]);
  });

  it('stores no bytes that are not those of their hash', async () => {
    const large = Buffer.alloc(3_000_000, 'x');
    for (const right of [Buffer.from('right'), large]) {
      const hash = sha256(right);
      const files = [{ path: '/file.bin', content: right }];
      await api.send('POST', apiPaths.deployments('site'), { manifest: manifestOf(files) });
      const wrong = Buffer.from(right);
      wrong[wrong.length - 1] = 0;
      expect(await putObject(api, 'site', hash, wrong)).toMatchObject({ status: 422 });
      expect((await api.send('GET', apiPaths.object('site', hash))).status).toBe(404);
      expect(await putObject(api, 'site', hash, right)).toMatchObject({ status: 201 });
      expect(await putObject(api, 'site', hash, right)).toMatchObject({ status: 200 });
    }
    expect(await putObject(api, 'site', sha256('stray'), Buffer.from('stray'))).toMatchObject({
      status: 404,
    });
  });

  it('makes encoded forms that decode to the file, once', async () => {
    const text = 'a fairly repetitive line of text\n'.repeat(500);
    const files = [
      { path: '/long.txt', content: text },
      { path: '/photo.jpg', content: text },
    ];
    const { deployment } = await deploy(api, 'site', files);
    const reply = await askConfig(api, deployment.previewHost);
    const [encoded, photo] = reply.body.result.data.json.config.resources;
    expect(Object.keys(encoded.encodings).toSorted()).toEqual(['br', 'gzip', 'zstd']);
    expect(photo.encodings).toBeUndefined();
    const zlib = await import('node:zlib');
    const decoders = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync, zstd: zlib.zstdDecompressSync };
    for (const [coding, decode] of Object.entries(decoders)) {
      const key = `projects/${deployment.projectId}/objects/${encoded.encodings[coding].hash}`;
      const bytes = await api.store.read(key, { maxBytes: 100_000 });
      expect(sha256(bytes ?? '')).toBe(encoded.encodings[coding].hash);
      expect(decode(bytes ?? '').toString()).toBe(text);
    }
    const again = await deploy(api, 'site', files);
    const second = await askConfig(api, again.deployment.previewHost);
    expect(second.body.result.data.json.config.resources[0].encodings).toEqual(encoded.encodings);
  });

  it('refuses a manifest that cannot be served, naming every problem', async () => {
    const manifest = {
      ...manifestOf([page('x'), page('y')]),
      redirects: [
        { from: '/a', to: '/b', status: 301 },
        { from: '/b', to: '/a', status: 301 },
      ],
    };
    const reply = await api.send('POST', apiPaths.deployments('site'), { manifest });
    expect(reply.status).toBe(400);
    expect(reply.body.error.details.join('\n')).toMatch(/stands twice[\s\S]*loops/);
    const escaping = manifestOf([page('x')]);
    const bad = { ...escaping, resources: [{ ...escaping.resources[0], resourcePath: '../other' }] };
    expect((await api.send('POST', apiPaths.deployments('site'), { manifest: bad })).status).toBe(400);
  });
});
