import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { freePort } from '../support/free-port.ts';
import { TEST_TOKEN } from '../support/control-api.ts';
import { prepareDatabase } from '../support/embedded-database.ts';
import { makeCertificates, type Certificates } from '../support/make-certificates.ts';
import { startNode } from '../support/process.ts';
import { origan } from '../support/run-cli.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

// A real cache server with one certificate after the other. Each time the doctor says what is wrong, and doing what it
// says mends it.

let dir: TempDir;
let server: CacheServer;
let tlsPort: number;
let certificates: Record<'good' | 'expired' | 'ending' | 'elsewhere' | 'selfSigned', Certificates>;

beforeAll(async () => {
  dir = await makeTempDir('doctor-tls');
  const folder = (name: string): string => {
    const path = join(dir.path, name);
    execFileSync('mkdir', [path]);
    return path;
  };
  certificates = {
    good: makeCertificates(folder('good'), 'localhost', 90),
    expired: makeCertificates(folder('expired'), 'localhost', -1),
    ending: makeCertificates(folder('ending'), 'localhost', 3),
    elsewhere: makeCertificates(folder('elsewhere'), 'cache.internal', 90),
    selfSigned: makeSelfSigned(folder('self-signed')),
  };
  tlsPort = await freePort();
  const { cert, key, ca } = certificates.good;
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca];
  server = await startCacheServer({
    kind: 'redis',
    args: ['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', ...files],
  });
});
afterAll(async () => {
  await server.close();
  await dir.remove();
});

function makeSelfSigned(folder: string): Certificates {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '90'];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  return { cert, key, ca: cert };
}

async function show({ cert, key }: Certificates): Promise<void> {
  await server.admin().config('SET', 'tls-cert-file', cert, 'tls-key-file', key);
}

type Finding = { check: string; state: string; detail: string; fix?: string };

/** What is said of the cache server, as seen from here. */
async function doctor(env: Record<string, string> = {}): Promise<Record<string, Finding>> {
  const { out } = await origan(['doctor', '--json'], {
    env: { ORIGAN_API_URL: 'http://127.0.0.1:1', CACHE_URL: `rediss://localhost:${tlsPort}`, ...env },
  });
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  return Object.fromEntries(findings.map((finding) => [finding.check, finding]));
}

describe('origan doctor on the encryption of the cache', () => {
  test('a certificate that is trusted', async () => {
    await show(certificates.good);
    const found = await doctor({ CACHE_TLS_CA_FILE: certificates.good.ca });
    expect(found['cache server']).toMatchObject({ state: 'ok' });
    expect(found['cache TLS']).toEqual({
      check: 'cache TLS',
      state: 'ok',
      detail: expect.stringMatching(/^the certificate of localhost:\d+ is trusted, until \d{4}-\d\d-\d\d$/),
    });
  });

  test('one that ends soon', async () => {
    await show(certificates.ending);
    const found = await doctor({ CACHE_TLS_CA_FILE: certificates.ending.ca });
    expect(found['cache server']).toMatchObject({ state: 'ok' });
    expect(found['cache TLS']).toMatchObject({
      state: 'warning',
      detail: expect.stringMatching(/ends on \d{4}-\d\d-\d\d$/),
      fix: expect.stringContaining('Renew it'),
    });
  });

  test('one that has expired: the command that it names has the server read another', async () => {
    await show(certificates.expired);
    const env = { CACHE_TLS_CA_FILE: certificates.expired.ca };
    const found = await doctor(env);
    expect(found['cache server']).toMatchObject({ state: 'wrong' });
    expect(found['cache TLS']).toMatchObject({
      state: 'wrong',
      detail: expect.stringMatching(/its certificate has expired \(it was valid until \d{4}-\d\d-\d\d\)/),
    });
    const { cert, key, ca } = certificates.good;
    const words = (found['cache TLS']?.fix ?? '').replace('CERT.pem', cert).replace('KEY.pem', key);
    const [, command = ''] = /redis-cli --tls (CONFIG SET \S+ \S+ \S+ \S+)/.exec(words) ?? [];
    const [name = '', ...args] = command.split(' ');
    await server.admin().call(name, ...args);
    expect((await doctor({ CACHE_TLS_CA_FILE: ca }))['cache TLS']).toMatchObject({ state: 'ok' });
  });

  test('one of an authority that is not known here', async () => {
    await show(certificates.good);
    const found = await doctor();
    expect(found['cache server']).toMatchObject({ state: 'wrong' });
    expect(found['cache TLS']).toMatchObject({
      state: 'wrong',
      detail: expect.stringMatching(
        /from an authority that is not trusted here \(it was issued by Test CA\)/,
      ),
      fix: expect.stringContaining('Set CACHE_TLS_CA_FILE'),
    });
    const mended = await doctor({ CACHE_TLS_CA_FILE: certificates.good.ca });
    expect(mended['cache TLS']).toMatchObject({ state: 'ok' });
  });

  test('one that is self-signed: the command fetches what to trust', async () => {
    await show(certificates.selfSigned);
    const found = await doctor();
    expect(found['cache TLS']).toMatchObject({
      state: 'wrong',
      detail: expect.stringContaining('self-signed, and not trusted here'),
    });
    const [, command = ''] = /(openssl s_client .*cache-ca\.pem)/.exec(found['cache TLS']?.fix ?? '') ?? [];
    execFileSync('sh', ['-c', command], { cwd: dir.path, stdio: 'ignore' });
    const mended = await doctor({ CACHE_TLS_CA_FILE: join(dir.path, 'cache-ca.pem') });
    expect([mended['cache TLS']?.state, mended['cache server']?.state]).toEqual(['ok', 'ok']);
  });

  test('one for another name: the variable that it names mends it', async () => {
    await show(certificates.elsewhere);
    const env = { CACHE_TLS_CA_FILE: certificates.elsewhere.ca };
    const found = await doctor(env);
    expect(found['cache TLS']).toMatchObject({
      state: 'wrong',
      detail: expect.stringContaining('its certificate is for another name (it is for cache.internal)'),
    });
    const [, name = '', value = ''] =
      /(CACHE_TLS_SERVER_NAME)=(\S+),/.exec(found['cache TLS']?.fix ?? '') ?? [];
    expect((await doctor({ ...env, [name]: value }))['cache TLS']).toMatchObject({ state: 'ok' });
  });

  test.each([
    [
      'TLS to a server without',
      () => `rediss://localhost:${server.port}`,
      /the server speaks none/,
      /redis:\/\//,
    ],
    ['no TLS to a server with', () => `redis://localhost:${tlsPort}`, /the server wants it/, /rediss:\/\//],
  ])('%s', async (_, url, detail, fix) => {
    const found = await doctor({ CACHE_URL: url() });
    expect(found['cache server']).toMatchObject({ state: 'wrong' });
    expect(found['cache TLS']).toMatchObject({
      state: 'wrong',
      detail: expect.stringMatching(detail),
      fix: expect.stringMatching(fix),
    });
  });

  test('a server that wants certificates of its clients', async () => {
    await show(certificates.good);
    const admin = server.admin();
    await admin.config('SET', 'tls-auth-clients', 'yes');
    const found = await doctor({ CACHE_TLS_CA_FILE: certificates.good.ca });
    await admin.config('SET', 'tls-auth-clients', 'no');
    expect(found['cache TLS']).toMatchObject({
      state: 'wrong',
      detail: expect.stringContaining('it wants a certificate of its clients'),
      fix: expect.stringContaining('tls-auth-clients no'),
    });
  });

  test('a file of authorities that is not there', async () => {
    const found = await doctor({ CACHE_TLS_CA_FILE: join(dir.path, 'nowhere.pem') });
    expect(found['cache TLS']).toMatchObject({
      state: 'wrong',
      detail: expect.stringMatching(/CACHE_TLS_CA_FILE cannot be read .*nowhere\.pem/),
    });
  });

  test('a server that cannot be reached is one finding, and none of TLS', async () => {
    const found = await doctor({ CACHE_URL: `rediss://localhost:${await freePort()}` });
    expect(found['cache server']).toMatchObject({ state: 'wrong' });
    expect(found['cache TLS']).toBeUndefined();
  });

  test('as the control API sees it', async () => {
    await show(certificates.good);
    await prepareDatabase(join(dir.path, 'state', 'database'));
    const program = startNode('control-api/main.ts', {
      env: {
        CONTROL_API_PORT: '0',
        CONTROL_API_ADMIN_PORT: '0',
        CONTROL_API_TOKEN: TEST_TOKEN,
        ORIGAN_DEPLOY_DOMAIN: 'example.app',
        ORIGAN_STATE_DIR: join(dir.path, 'state'),
        BUCKET_URL: dir.path,
        CACHE_URL: `rediss://localhost:${tlsPort}`,
      },
    });
    const [, url = ''] = await program.waitFor(/"url":"(http:[^"]+)"/);
    const found = await doctor({ ORIGAN_API_URL: url, ORIGAN_TOKEN: TEST_TOKEN, CACHE_URL: '' });
    await program.stop();
    expect(found['cache of the control API']).toMatchObject({ state: 'wrong' });
    expect(found['cache TLS of the control API']).toMatchObject({
      state: 'wrong',
      detail: expect.stringContaining('from an authority that is not trusted here'),
      fix: expect.stringContaining('CACHE_TLS_CA_FILE'),
    });
  });
});
