import { readFileSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import {
  createServer,
  request as plainRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
} from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../support/free-port.ts';
import { HOST, startGatewayProcess, type GatewayProcess } from '../../support/gateway-process.ts';
import { makeCertificates, type Certificates } from '../../support/make-certificates.ts';
import { makeTempDir, type TempDir } from '../../support/temp-dir.ts';

// A real gateway process and real handshakes: whose certificate answers, and that behind it everything is as without TLS.

let folder: TempDir;
let deploy: Certificates;
let custom: Certificates;
let gateway: GatewayProcess;
let tlsPort: number;
let runner: Server;
let called: IncomingHttpHeaders = {};
const LARGE = Buffer.alloc(3_000_000, 'large ');

beforeAll(async () => {
  folder = await makeTempDir('tls');
  deploy = await issue('deploy', '*.sites.test');
  custom = await issue('custom', HOST);
  const wildcard = await issue('wildcard', '*.shop.test');
  const bucket = join(folder.path, 'bucket');
  await publish(bucket, HOST, custom);
  await publish(bucket, '*.shop.test', wildcard);
  await mkdir(join(bucket, 'certificates', 'broken.test'), { recursive: true });
  await writeFile(join(bucket, 'certificates', 'broken.test', 'certificate.pem'), 'nonsense');
  await mkdir(join(bucket, 'challenges'));
  await writeChallenge(bucket, 'token_1', {
    keyAuthorization: 'token_1.thumb',
    expires: Date.now() + 3_600_000,
  });
  await writeChallenge(bucket, 'old', { keyAuthorization: 'old.thumb', expires: '2020-01-01T00:00:00Z' });
  await writeChallenge(bucket, 'odd', { keyAuthorization: '<script>', expires: Date.now() + 3_600_000 });
  runner = createServer((incoming, outgoing) => {
    called = incoming.headers;
    outgoing.end('called');
  });
  runner.on('upgrade', (_incoming, socket) => {
    // Node has taken its own listener away.
    socket.on('error', () => undefined);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => {
    runner.listen(0, '127.0.0.1', resolve);
  });
  tlsPort = await freePort();
  gateway = await startGatewayProcess({
    runnerUrl: `http://127.0.0.1:${(runner.address() as AddressInfo).port}`,
    bucket,
    files: { '/page.html': '<p>hello', '/large.txt': LARGE },
    env: {
      HAS_TLS_SERVER: 'true',
      GATEWAY_TLS_PORT: String(tlsPort),
      TLS_CERT_FILE: deploy.cert,
      TLS_KEY_FILE: deploy.key,
      ORIGAN_DEPLOY_DOMAIN: 'sites.test',
    },
  });
});

afterAll(async () => {
  await gateway?.close();
  runner?.close();
  await folder?.remove();
});

async function issue(name: string, host: string): Promise<Certificates> {
  const directory = join(folder.path, name);
  await mkdir(directory);
  return makeCertificates(directory, host);
}

async function publish(bucket: string, name: string, { cert, key, ca }: Certificates): Promise<void> {
  const target = join(bucket, 'certificates', name);
  await mkdir(target, { recursive: true });
  await copyFile(cert, join(target, 'certificate.pem'));
  await copyFile(key, join(target, 'private-key.pem'));
  await copyFile(ca, join(target, 'chain.pem'));
}

async function writeChallenge(bucket: string, token: string, content: object): Promise<void> {
  await writeFile(join(bucket, 'challenges', token), JSON.stringify(content));
}

/** The names in the certificate that answers, or why the handshake failed. */
async function handshake(options: ConnectionOptions): Promise<string> {
  const socket = connect({ port: tlsPort, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  return new Promise((resolve) => {
    socket.once('error', (error) => resolve(`failed: ${(error as NodeJS.ErrnoException).code}`));
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? 'none');
      socket.destroy();
    });
  });
}

type Reply = { status: number; headers: IncomingHttpHeaders; body: Buffer };

/** One request with TLS, its certificate verified; or without, for whatever host. */
function ask(path: string, plainHost?: string): Promise<Reply> {
  const common = { host: '127.0.0.1', path, agent: false as const };
  return new Promise((resolve, reject) => {
    const onReply = (reply: IncomingMessage): void => {
      buffer(reply).then(
        (body) => resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body }),
        reject,
      );
    };
    const ca = readFileSync(custom.ca);
    const call =
      plainHost === undefined
        ? request({ ...common, port: tlsPort, servername: HOST, ca, headers: { host: HOST } }, onReply)
        : plainRequest({ ...common, port: gateway.port, headers: { host: plainHost } }, onReply);
    call.once('error', reject).end();
  });
}

describe('whose certificate answers', () => {
  test.each([
    ['a host below the deploy domain', 'demo.sites.test', 'DNS:*.sites.test'],
    ['the same in capitals', 'DEMO.Sites.TEST', 'DNS:*.sites.test'],
    ['two levels below it, which its certificate does not name', 'a.b.sites.test', 'DNS:*.sites.test'],
    ['a host of its own', HOST, `DNS:${HOST}`],
    ['the same in capitals', HOST.toUpperCase(), `DNS:${HOST}`],
    ['a wildcard one level up', 'eu.shop.test', 'DNS:*.shop.test'],
  ])('%s', async (_what, servername, names) => {
    expect(await handshake({ servername })).toBe(names);
  });

  test.each([
    ['a look-alike of the deploy domain', 'demo.mysites.test'],
    ['a name that nobody has deployed', 'unknown.example'],
    ['below a wildcard, but two levels', 'a.b.shop.test'],
    ['one whose certificate cannot be read', 'broken.test'],
    ['a path in place of a name', 'x/../site.test'],
  ])('nobody’s: %s', async (_what, servername) => {
    expect(await handshake({ servername })).toMatch(/^failed: /);
  });

  test('a client that names no host gets the deploy domain’s', async () => {
    expect(await handshake({})).toBe('DNS:*.sites.test');
  });

  test('nothing older than TLS 1.2', async () => {
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
    expect(await handshake({ servername: HOST, ...old })).toMatch(/^failed: /);
    expect(await handshake({ servername: HOST, maxVersion: 'TLSv1.2' })).toBe(`DNS:${HOST}`);
  });
});

describe('behind the handshake', () => {
  test('files answer as they do without TLS, large ones whole, the certificate verified', async () => {
    const { status, body } = await ask('/page.html');
    expect([status, body.toString()]).toEqual([200, '<p>hello']);
    for (let round = 0; round < 3; round += 1)
      expect((await ask('/large.txt')).body.equals(LARGE)).toBe(true);
  });

  test('a function is told that its client came by https', async () => {
    await ask('/function');
    expect(called['x-forwarded-proto']).toBe('https');
  });

  test('a connection can be upgraded, and carries both ways', async () => {
    const socket = connect({ port: tlsPort, host: '127.0.0.1', servername: HOST, rejectUnauthorized: false });
    socket.setEncoding('utf8');
    socket.write(`GET /socket HTTP/1.1\r\nHost: ${HOST}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
    let text = '';
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (chunk.endsWith('\r\n\r\n')) socket.write('ping');
    });
    await expect.poll(() => text).toMatch(/^HTTP\/1\.1 101 [^]*\r\n\r\nping$/);
    socket.destroy();
  });

  test('what is no request is refused as without TLS', async () => {
    const socket = connect({ port: tlsPort, host: '127.0.0.1', servername: HOST, rejectUnauthorized: false });
    socket.write('nonsense\r\n\r\n');
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('what is no handshake harms nobody', async () => {
    const plain = await fetch(`http://127.0.0.1:${tlsPort}/`).catch((error: unknown) => String(error));
    expect(plain).toMatch(/fetch failed/);
    expect((await ask('/page.html')).status).toBe(200);
  });
});

function textOf(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.once('end', () => resolve(text)).once('error', reject);
  });
}

describe('proofs of control', () => {
  const proof = (token: string): Promise<Reply> =>
    ask(`/.well-known/acme-challenge/${token}`, 'not-deployed.test');

  test('are answered for every host, deployed or not, as plain text', async () => {
    const { status, headers, body } = await proof('token_1');
    expect([status, headers['content-type'], body.toString()]).toEqual([200, 'text/plain', 'token_1.thumb']);
    await expect.poll(() => gateway.records().map(({ route }) => route)).toContain('challenge');
  });

  test.each(['old', 'odd', 'unknown', '..%2f..%2fdeployments', 'a'.repeat(300)])(
    'but not %s',
    async (token) => {
      expect((await proof(token)).status).toBe(404);
    },
  );
});
