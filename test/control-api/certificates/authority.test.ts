import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { readdir } from 'node:fs/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { apiPaths } from '../../../contracts/control-api.ts';
import { freePort } from '../../support/free-port.ts';
import { handshake, startCertificateWorld, type CertificateWorld } from '../../support/certificate-world.ts';

const MINUTE_MS = 60_000;
const BINDING = {
  kid: 'kid-1',
  hmacKey: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W',
};

let world: CertificateWorld | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

async function start(options: Parameters<typeof startCertificateWorld>[0] = {}): Promise<CertificateWorld> {
  world = await startCertificateWorld(options);
  return world;
}

const until = (at: CertificateWorld, host: string, expected: object): Promise<void> =>
  expect.poll(() => at.certificateOf(host)).toMatchObject(expected);

describe('an authority', () => {
  test('that refuses half of the nonces and sleeps before it validates issues all the same', async () => {
    const at = await start({
      pebble: { env: { PEBBLE_WFE_NONCEREJECT: '50', PEBBLE_VA_NOSLEEP: '0', PEBBLE_VA_SLEEPTIME: '3' } },
    });
    at.authority.delayMs = 100;
    await at.add('slow.test');
    // Several refusals in a row end an attempt, and the next one goes on with its order.
    const moving = setInterval(() => at.advance(MINUTE_MS), 3000);
    try {
      await until(at, 'slow.test', { state: 'issued' });
    } finally {
      clearInterval(moving);
    }
    expect(at.pebble.output()).toContain('Configured to reject 50% of good nonces');
  });

  test('whose validation fails is quoted, and not bothered again for a while', async () => {
    const at = await start({ pebble: { httpPort: await freePort() } });
    await at.add('unreachable.test');
    await until(at, 'unreachable.test', { state: 'failed', failureKind: 'refused' });
    const certificate = await at.certificateOf('unreachable.test');
    expect(certificate?.reason).toMatch(/^The certificate authority refused: connection: .*refused/);
    const waitMs = Date.parse(certificate?.nextAttemptAt ?? '') - Date.now();
    expect(waitMs).toBeGreaterThan(11 * MINUTE_MS);
    expect(waitMs).toBeLessThan(19 * MINUTE_MS);
    // Adding it again is no way round that.
    await at.add('unreachable.test');
    expect(at.authority.orders()).toBe(1);
    at.advance(19 * MINUTE_MS);
    await expect.poll(() => at.authority.orders()).toBe(2);
    expect(await readdir(join(at.bucket, 'certificates')).catch(() => [])).toEqual([]);
  });

  test('that is down is waited for, and one that has forgotten the account is told again who asks', async () => {
    const at = await start();
    await at.add('before.test');
    await until(at, 'before.test', { state: 'issued' });
    await at.pebble.stop();
    await at.add('during.test');
    await until(at, 'during.test', {
      state: 'failed',
      failureKind: 'authority',
      reason: expect.stringContaining('cannot be reached'),
    });
    await at.pebble.start();
    // Once to hear that the account is gone, once with a new one.
    at.advance(2 * MINUTE_MS);
    await until(at, 'during.test', { reason: expect.stringContaining('accountDoesNotExist') });
    at.advance(5 * MINUTE_MS);
    await until(at, 'during.test', { state: 'issued' });
    const ca = await at.pebble.root();
    expect(
      new X509Certificate((await handshake(at.tlsPort, 'during.test', ca)).raw).checkHost('during.test'),
    ).toBe('during.test');
  });

  test('that does not answer at all ends the attempt, and closing waits for nobody', async () => {
    const at = await start();
    at.authority.instead = ({ path }) => (path === '/order-plz' ? 'silence' : undefined);
    await at.add('silent.test');
    await until(at, 'silent.test', { state: 'ordering' });
    await at.restart();
    at.authority.instead = undefined;
    await until(at, 'silent.test', { state: 'issued' });
  });

  test('that limits the rate is left alone for as long as it asks', async () => {
    const at = await start();
    at.authority.instead = ({ path }) =>
      path === '/order-plz'
        ? {
            status: 429,
            headers: { 'retry-after': String(5 * 3600) },
            body: { type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too many new orders' },
          }
        : undefined;
    await at.add('limited.test');
    await until(at, 'limited.test', { state: 'failed', failureKind: 'limited' });
    const certificate = await at.certificateOf('limited.test');
    expect(certificate?.reason).toContain('rateLimited: too many new orders');
    expect(Date.parse(certificate?.nextAttemptAt ?? '') - Date.now()).toBeGreaterThan(4.9 * 3_600_000);
  });

  test('that wants accounts to be bound gets the binding, and says so where it is wrong', async () => {
    const at = await start({
      pebble: { binding: BINDING },
      env: { ACME_EAB_KEY_ID: BINDING.kid, ACME_EAB_HMAC_KEY: 'AAAA' },
    });
    await at.add('bound.test');
    await until(at, 'bound.test', { state: 'failed', failureKind: 'refused' });
    await at.restart({ ACME_EAB_HMAC_KEY: BINDING.hmacKey });
    at.advance(20 * MINUTE_MS);
    await until(at, 'bound.test', { state: 'issued' });
  });
});

describe('this installation', () => {
  test('places no more orders within an hour than it may', async () => {
    const at = await start({ env: { ACME_MAX_ORDERS_PER_HOUR: '2' } });
    const hosts = ['one.test', 'two.test', 'three.test'];
    for (const host of hosts) await at.add(host);
    const states = async (): Promise<unknown[]> =>
      await Promise.all(hosts.map(async (host) => (await at.certificateOf(host))?.state));
    const issued = async (): Promise<number> => (await states()).filter((state) => state === 'issued').length;
    await expect.poll(states).toContain('failed');
    await expect.poll(issued).toBe(2);
    expect(at.authority.orders()).toBe(2);
    at.advance(2 * 60 * MINUTE_MS);
    await expect.poll(states).toEqual(['issued', 'issued', 'issued']);
  });

  test('whose ENVIRONMENT_KEY was changed makes a new account and new keys, and serves on meanwhile', async () => {
    const at = await start();
    await at.add('resealed.test');
    await until(at, 'resealed.test', { state: 'issued' });
    const ca = await at.pebble.root();
    const first = await handshake(at.tlsPort, 'resealed.test', ca);
    await at.restart({ ENVIRONMENT_KEY: 'cd'.repeat(32) });
    at.advance(26 * 60 * MINUTE_MS);
    await expect
      .poll(async () => (await handshake(at.tlsPort, 'resealed.test', ca)).serialNumber)
      .not.toBe(first.serialNumber);
  });

  test('says in its diagnosis how it stands with the authority and which certificates are in trouble', async () => {
    const at = await start();
    await at.pebble.setAddress('lost.test', undefined);
    await at.add('lost.test');
    await until(at, 'lost.test', { state: 'failed' });
    const { body } = await at.api.send('POST', '/v1/diagnosis');
    expect(body.certificates).toMatchObject({
      directoryUrl: at.authority.directoryUrl,
      problem: null,
      counts: { failed: 1, issued: 0 },
      troubled: [{ host: 'lost.test', notAfter: null, isLate: false }],
    });
    await at.pebble.stop();
    const { body: down } = await at.api.send('POST', '/v1/diagnosis');
    expect(down.certificates.problem).toContain('cannot be reached');
    const { body: project } = await at.api.send('GET', apiPaths.project('site'));
    expect(project.name).toBe('site');
  });
});
