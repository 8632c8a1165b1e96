import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNode } from '../support/process.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

// Every program says in one message what is wrong and what to do, ends with a code other than 0, and leaves nothing running.

let folder: TempDir;
let taken: Server;
let bucket: S3Server;

beforeAll(async () => {
  folder = await makeTempDir('wrong-input');
  await mkdir(join(folder.path, 'bucket'));
  await writeFile(join(folder.path, 'file'), 'not a directory');
  taken = createServer();
  await new Promise<void>((resolve) => {
    taken.listen(0, '127.0.0.1', resolve);
  });
  bucket = await startS3Server();
});

afterAll(async () => {
  await bucket?.close();
  taken?.close();
  await folder?.remove();
});

const takenPort = (): string => String((taken.address() as AddressInfo).port);

type Run = { code: number | null; stderr: string; stdout: string };

async function run(file: string, env: Record<string, string>, args: string[] = []): Promise<Run> {
  const program = startNode(file, { env, args });
  const { code } = await program.exited;
  return { code, stderr: program.stderr(), stdout: program.stdout() };
}

const base = (): Record<string, string> => ({
  BUCKET_URL: join(folder.path, 'bucket'),
  CONTROL_API_URL: 'http://127.0.0.1:9',
  RUNNER_URL: 'http://127.0.0.1:9',
  ORIGAN_DEPLOY_DOMAIN: 'sites.test',
  ORIGAN_STATE_DIR: join(folder.path, 'state'),
  WORKERS_PATH: join(folder.path, 'workers'),
  GATEWAY_HOST: '127.0.0.1',
  GATEWAY_PORT: '0',
  GATEWAY_ADMIN_PORT: '0',
  CONTROL_API_PORT: '0',
  CONTROL_API_ADMIN_PORT: '0',
  RUNNER_PORT: '0',
});

const PROGRAMS = ['gateway/main.ts', 'control-api/main.ts', 'runner/main.ts', 'standalone/main.ts'];

describe('every program', () => {
  test.each(PROGRAMS)('%s names every wrong variable at once, and no value', async (file) => {
    const wrong = {
      CACHE_TIMEOUT_MS: 'secret-soon',
      CACHE_URL: 'ftp://user:secret@cache',
      BUCKET_URL: 'https://bucket.test',
      GATEWAY_PORT: '99999',
      CONTROL_API_PORT: '99999',
      RUNNER_PORT: '99999',
    };
    const { code, stderr } = await run(file, { ...base(), ...wrong });
    expect(code).toBe(1);
    for (const name of ['CACHE_TIMEOUT_MS', 'CACHE_URL', 'BUCKET_NAME', 'BUCKET_ACCESS_KEY', '_PORT']) {
      expect(stderr).toContain(name);
    }
    expect(stderr).not.toContain('secret');
  });

  const ports: [string, string][] = [
    ['gateway/main.ts', 'GATEWAY_PORT'],
    ['gateway/main.ts', 'GATEWAY_ADMIN_PORT'],
    ['control-api/main.ts', 'CONTROL_API_PORT'],
    ['runner/main.ts', 'RUNNER_PORT'],
    ['standalone/main.ts', 'GATEWAY_PORT'],
  ];
  test.each(ports)('%s with %s in use', async (file, name) => {
    const env = { ...base(), [name]: takenPort(), RUNNER_HOST: '127.0.0.1' };
    const { code, stderr } = await run(file, env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/EADDRINUSE.*Stop what uses the port, or set another one/);
  });

  test.each(PROGRAMS)('%s with a bucket that is not there', async (file) => {
    const { code, stderr } = await run(file, { ...base(), BUCKET_URL: join(folder.path, 'no-such-bucket') });
    expect(code).toBe(1);
    expect(stderr).toMatch(/BUCKET_URL names .*no-such-bucket.*create it/);
  });

  test.each(PROGRAMS)('%s with a bucket that refuses the key', async (file) => {
    const env = { ...base(), ...bucket.env, BUCKET_SECRET_KEY: 'wrong-secret-key' };
    const { code, stderr } = await run(file, env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/BUCKET_ACCESS_KEY|BUCKET_SECRET_KEY/);
    expect(stderr).not.toContain('wrong-secret-key');
  });
});

describe('the control API', () => {
  test('a database that cannot be reached', async () => {
    const env = { ...base(), DATABASE_URL: `postgres://origan:hidden@127.0.0.1:9/origan` };
    const { code, stderr } = await run('control-api/main.ts', env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/DATABASE_URL|database/i);
    expect(stderr).not.toContain('hidden');
  });

  test('a state directory that is a file', async () => {
    const env = { ...base(), ORIGAN_STATE_DIR: join(folder.path, 'file') };
    const { code, stderr } = await run('control-api/main.ts', env);
    expect(code).toBe(1);
    expect(stderr).toContain(join(folder.path, 'file'));
  });
});

describe('origan deploy', () => {
  test('settings that do not parse', async () => {
    const site = join(folder.path, 'site');
    await mkdir(site, { recursive: true });
    await writeFile(join(site, 'origan.json'), '{ "project": 3, ');
    const { code, stderr } = await run('cli/main.ts', { ORIGAN_TOKEN: 'x'.repeat(30) }, ['deploy', site]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/origan\.json/);
  });

  test('no control API there', async () => {
    const site = join(folder.path, 'plain');
    await mkdir(site, { recursive: true });
    await writeFile(join(site, 'index.html'), 'x');
    const env = { ORIGAN_TOKEN: 'x'.repeat(30), ORIGAN_API_URL: 'http://127.0.0.1:9' };
    const { code, stderr } = await run('cli/main.ts', env, ['deploy', site, '--project', 'p']);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/127\.0\.0\.1:9/);
  });
});
