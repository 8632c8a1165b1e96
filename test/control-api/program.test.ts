import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { apiPaths } from '../../contracts/control-api.ts';
import { deploy, talkTo, TEST_TOKEN } from '../support/control-api.ts';
import { prepareDatabase } from '../support/embedded-database.ts';
import { startNode, type StartedProcess } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
let env: Record<string, string>;
beforeAll(async () => {
  dir = await makeTempDir('program');
  await mkdir(join(dir.path, 'bucket'));
  await prepareDatabase(join(dir.path, 'database'));
  env = {
    CONTROL_API_PORT: '0',
    CONTROL_API_ADMIN_PORT: '0',
    ORIGAN_DEPLOY_DOMAIN: 'localhost:7777',
    ORIGAN_STATE_DIR: dir.path,
    BUCKET_URL: join(dir.path, 'bucket'),
  };
});
afterAll(() => dir.remove());
// One that a failed test leaves running would keep the state directory from all others.
const started: StartedProcess[] = [];
afterEach(async () => {
  for (const program of started.splice(0)) await program.stop('SIGKILL');
});

function start(more: Record<string, string> = {}, args: string[] = []): StartedProcess {
  const program = startNode('control-api/main.ts', { env: { ...env, ...more }, args });
  started.push(program);
  return program;
}

/** Runs to its end, which is to come by itself. */
async function fail(more: Record<string, string>): Promise<string> {
  const program = start({ ORIGAN_STATE_DIR: join(dir.path, 'unused'), ...more });
  const { code } = await program.exited;
  expect(code).toBe(1);
  return program.stderr();
}

describe('the program', () => {
  it('starts, generates a token that only its user can read, keeps it, and stops in order', async () => {
    const tokens: string[] = [];
    for (const _start of [1, 2]) {
      const program = start();
      const [, url] = await program.waitFor(/"url":"(http:[^"]+)"/);
      const file = join(dir.path, 'control-api-token');
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      const token = (await readFile(file, 'utf8')).trim();
      tokens.push(token);
      const reply = await fetch(`${url}/v1/whoami`, { headers: { authorization: `Bearer ${token}` } });
      expect(await reply.json()).toMatchObject({ isAdmin: true });
      expect(await program.stop()).toEqual({ code: 0, signal: null });
      expect(program.stderr()).not.toContain(token);
    }
    expect(tokens[0]).toBe(tokens[1]);
  });

  it('answers probes, its state and its metrics on a port of their own', async () => {
    const program = start({ CONTROL_API_TOKEN: TEST_TOKEN });
    const [, url] = await program.waitFor(/"url":"(http:[^"]+)"/);
    const [, port] = await program.waitFor(/"adminPort":(\d+)/);
    const admin = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
    expect((await admin('/healthz')).status).toBe(200);
    expect([(await admin('/readyz')).status, await (await admin('/readyz')).text()]).toEqual([
      200,
      'ready\n',
    ]);
    expect(await (await admin('/status')).json()).toMatchObject({
      isReady: true,
      database: 'up',
      store: 'up',
    });
    const api = talkTo(url ?? '');
    await api.send('POST', apiPaths.projects(), { name: 'measured' });
    await deploy(api, 'measured', [{ path: '/index.html', content: 'a word '.repeat(1000) }]);
    const metrics = await (await admin('/metrics')).text();
    expect(metrics).toMatch(
      /control_api_operation_seconds_count\{operation="deployments.finish",status="200"\} 1/,
    );
    expect(metrics).toMatch(/control_api_flips_total\{outcome="live"\} 1/);
    const encoded = [...metrics.matchAll(/control_api_encoded_bytes_total\{coding="(\w+)"\} (\d+)/g)];
    expect(new Set(encoded.map(([, coding]) => coding))).toEqual(new Set(['br', 'gzip', 'zstd']));
    for (const [, , bytes] of encoded) expect(Number(bytes)).toBeGreaterThan(20);
    expect(metrics).toMatch(/process_cpu_seconds_total/);
    // Not where clients are.
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
    expect((await program.stop()).code).toBe(0);
  });

  it('lets a request under way finish when it stops', async () => {
    const program = start();
    const [, url] = await program.waitFor(/"url":"(http:[^"]+)"/);
    const token = (await readFile(join(dir.path, 'control-api-token'), 'utf8')).trim();
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      // The server says with its 100 that the request is under way.
      expect: '100-continue',
    };
    const late = request(`${url}/v1/projects`, { method: 'POST', headers, agent: false });
    late.flushHeaders();
    await once(late, 'continue');
    const stopped = program.stop();
    late.end(JSON.stringify({ name: `late-${randomUUID().slice(0, 8)}` }));
    const [reply] = (await once(late, 'response')) as [IncomingMessage];
    expect([reply.statusCode, JSON.parse(await text(reply))]).toMatchObject([
      201,
      { ref: expect.any(String) },
    ]);
    expect((await stopped).code).toBe(0);
  });

  it('names every wrong variable at once, and no value', async () => {
    const message = await fail({
      CONTROL_API_PORT: '70000',
      ORIGAN_DEPLOY_DOMAIN: 'not a host',
      CONTROL_API_TOKEN: 'short-secret',
      ENVIRONMENT_KEY: 'abc',
      DATABASE_URL: 'mysql://root:secret@x/y',
    });
    for (const name of [
      'CONTROL_API_PORT',
      'ORIGAN_DEPLOY_DOMAIN',
      'CONTROL_API_TOKEN',
      'ENVIRONMENT_KEY',
      'DATABASE_URL',
    ]) {
      expect(message).toMatch(new RegExp(`- ${name}: `));
    }
    expect(message).not.toMatch(/short-secret|root:secret/);
  });

  it('says what to do about a port in use, a missing bucket, a database that does not answer, a file in the way', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await prepareDatabase(join(dir.path, 'port', 'database'));
    const inUse = await fail({ CONTROL_API_PORT: String(port), ORIGAN_STATE_DIR: join(dir.path, 'port') });
    expect(inUse).toMatch(/EADDRINUSE.*Stop what uses the port, or set another one/);
    server.close();

    expect(await fail({ BUCKET_URL: join(dir.path, 'no-such') })).toMatch(/does not exist: create it/);
    expect(await fail({ DATABASE_URL: 'postgres://me:hidden@127.0.0.1:1/x' })).toMatch(
      /the database at 127\.0\.0\.1:1\/x cannot be reached.*Check DATABASE_URL/,
    );
    const blocked = join(dir.path, 'a-file');
    await writeFile(blocked, '');
    expect(await fail({ ORIGAN_STATE_DIR: blocked })).toMatch(/cannot be opened: /);
  });

  it('keeps a second one off the same state directory', async () => {
    const first = start();
    await first.waitFor(/is ready/);
    expect(await fail({ ORIGAN_STATE_DIR: dir.path })).toMatch(/is in use by process \d+/);
    // Killed, it leaves its lock behind: the next one takes over.
    await first.stop('SIGKILL');
    const next = start();
    await next.waitFor(/is ready/);
    expect((await next.stop()).code).toBe(0);
  });

  it('shows, takes back and applies migrations', async () => {
    const own = join(dir.path, 'migrations');
    await prepareDatabase(join(own, 'database'));
    const migrate = async (...args: string[]): Promise<string> => {
      const program = start({ ORIGAN_STATE_DIR: own }, ['migrate', ...args]);
      await program.exited;
      return program.stdout() + program.stderr();
    };
    expect(await migrate('status')).toMatch(/applied: 0001-initial[\s\S]*pending: none/);
    expect(await migrate('down', '2')).toMatch(/taken back: \d{4}-[a-z-]+\ntaken back: /);
    expect(await migrate('status')).toMatch(/pending: \d{4}/);
    expect(await migrate('up')).toMatch(/applied: \d{4}/);
    expect(await migrate('sideways')).toMatch(/usage: migrate up/);
  });
});
