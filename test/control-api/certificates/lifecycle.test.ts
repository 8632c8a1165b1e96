import { createServer } from 'node:http';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../../contracts/control-api.ts';
import { makeCertificates } from '../../support/make-certificates.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { handshake, startCertificateWorld, type CertificateWorld } from '../../support/certificate-world.ts';

const DAY_MS = 86_400_000;

// One system for all: a real authority that refuses every fifth good nonce, a real gateway, hosts of their own.
let world: CertificateWorld;

beforeAll(async () => {
  world = await startCertificateWorld();
});
afterAll(async () => {
  await world?.close();
});

// Some renewals of the past would otherwise be due for ever, and what one test does to the authority would be done to all.
afterEach(() => {
  world.resetClock();
  world.authority.instead = undefined;
});

const until = (host: string, expected: object): Promise<void> =>
  expect.poll(() => world.certificateOf(host)).toMatchObject(expected);

const filesOf = async (host: string): Promise<string[]> =>
  (await readdir(join(world.bucket, 'certificates', host)).catch((): string[] => [])).toSorted();

describe('a domain that does not point here', () => {
  test('costs the authority nothing; it is told why, and has its certificate once it is added again', async () => {
    const host = 'elsewhere.test';
    const other = createServer((_incoming, outgoing) => outgoing.end('<p>parked'));
    await new Promise<void>((resolve) => {
      other.listen(world.gateway.port, '127.0.0.2', resolve);
    });
    await world.pebble.setAddress(host, '127.0.0.2');
    const before = world.authority.requests.length;
    await world.add(host);
    await until(host, {
      state: 'failed',
      failureKind: 'domain',
      reason: `${host} is at 127.0.0.2, which is not a gateway of this installation: point it at this installation.`,
      notAfter: null,
    });
    await new Promise((resolve) => {
      other.close(resolve);
      other.closeAllConnections();
    });
    await world.add(host);
    await until(host, { reason: expect.stringContaining('does not answer: ECONNREFUSED') });
    await world.pebble.setAddress(host, undefined);
    await world.add(host);
    await until(host, { reason: expect.stringContaining('DNS does not answer') });
    expect(world.authority.requests.length).toBe(before);
    await world.pebble.setAddress(host, '127.0.0.1');
    await world.add(host);
    await until(host, { state: 'issued', failureKind: null, reason: null });
  });

  test('nor does one at a private address, unless that is allowed', async () => {
    await world.restart({ ACME_ALLOW_PRIVATE_ADDRESSES: 'false' });
    const host = 'inside.test';
    const asked = world.gateway.records().length;
    await world.add(host);
    await until(host, {
      state: 'failed',
      failureKind: 'domain',
      reason: expect.stringContaining('private address'),
    });
    expect(world.gateway.records().length).toBe(asked);
    await world.restart();
    await world.add(host);
    await until(host, { state: 'issued' });
  });
});

describe('names that cannot be proved', () => {
  test('are told so, and nobody is asked', async () => {
    const before = world.authority.requests.length;
    await world.add('*.wild.test');
    await world.add('demo.localhost:7777');
    await until('*.wild.test', { state: 'unsupported', reason: expect.stringContaining('wildcard') });
    await until('demo.localhost:7777', { state: 'unsupported' });
    expect(world.authority.requests.length).toBe(before);
  });
});

describe('what was put into the bucket by hand', () => {
  test('is left alone, and told as such', async () => {
    const host = 'manual.test';
    const temp = await makeTempDir('manual');
    const own = makeCertificates(temp.path, host);
    const pem = await readFile(own.cert);
    await world.api.store.put(`certificates/${host}/certificate.pem`, pem);
    await world.api.store.put(`certificates/${host}/private-key.pem`, await readFile(own.key));
    await temp.remove();
    const orders = world.authority.orders();
    await world.add(host);
    await until(host, { state: 'provided', reason: null, notAfter: expect.stringMatching(/^20/) });
    expect(await world.api.store.read(`certificates/${host}/certificate.pem`, { maxBytes: 1e6 })).toEqual(
      pem,
    );
    await world.api.send('DELETE', apiPaths.domain('site', host));
    expect(await filesOf(host)).toEqual(['certificate.pem', 'private-key.pem']);
    expect(world.authority.orders()).toBe(orders);
  });
});

describe('the bucket', () => {
  test('that lost a certificate gets it back without an order', async () => {
    const host = 'lost.test';
    await world.add(host);
    await until(host, { state: 'issued' });
    const before = await filesOf(host);
    const orders = world.authority.orders();
    await rm(join(world.bucket, 'certificates', host), { recursive: true });
    world.advance(DAY_MS);
    await expect.poll(() => filesOf(host)).toEqual(before);
    expect(world.authority.orders()).toBe(orders);
  });

  test('has nothing of a domain that was removed', async () => {
    const host = 'removed.test';
    await world.add(host);
    await until(host, { state: 'issued' });
    expect(await filesOf(host)).toEqual([
      'certificate.pem',
      expect.stringMatching(/^private-key-[0-9a-f]{64}\.pem$/),
    ]);
    const { status } = await world.api.send('DELETE', apiPaths.domain('site', host));
    expect(status).toBe(200);
    expect(await filesOf(host)).toEqual([]);
  });

  test('keeps no proof that is over', async () => {
    await expect.poll(() => readdir(join(world.bucket, 'challenges')).catch(() => [])).toEqual([]);
  });
});

// Late: with the clock moved on, every other host's certificate is renewed too, and none of the tests above may count that.
describe('a renewal', () => {
  test('is served without a restart, with a new key, and no handshake fails meanwhile', async () => {
    const host = 'renewed.test';
    await world.add(host);
    await until(host, { state: 'issued', reason: null });
    const ca = await world.pebble.root();
    const first = await handshake(world.tlsPort, host, ca);
    const serials = new Set<string>();
    const over = new AbortController();
    const watching = (async () => {
      while (!over.signal.aborted) serials.add((await handshake(world.tlsPort, host, ca)).serialNumber);
    })();
    world.advance(61 * DAY_MS);
    await expect
      .poll(async () => (await handshake(world.tlsPort, host, ca)).serialNumber)
      .not.toBe(first.serialNumber);
    over.abort();
    await watching;
    expect(serials.size).toBe(2);
    const second = await handshake(world.tlsPort, host, ca);
    expect(second.publicKey.equals(first.publicKey)).toBe(false);
    expect(second.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    await until(host, { state: 'issued', notAfter: new Date(second.validTo).toISOString() });
  });

  test('that fails leaves the old one served, tells so, and is tried again', async () => {
    const host = 'stubborn.test';
    await world.add(host);
    await until(host, { state: 'issued' });
    const ca = await world.pebble.root();
    const first = await handshake(world.tlsPort, host, ca);
    world.authority.instead = ({ path }) => (path === '/order-plz' ? { status: 503 } : undefined);
    world.advance(61 * DAY_MS);
    await until(host, {
      state: 'failed',
      failureKind: 'authority',
      reason: 'The certificate authority answered 503.',
      notAfter: new Date(first.validTo).toISOString(),
    });
    expect((await handshake(world.tlsPort, host, ca)).serialNumber).toBe(first.serialNumber);
    world.authority.instead = undefined;
    world.advance(120_000);
    await until(host, { state: 'issued', reason: null });
    await expect
      .poll(async () => (await handshake(world.tlsPort, host, ca)).serialNumber)
      .not.toBe(first.serialNumber);
  });
});

describe('metrics', () => {
  test('tell states, results, and the first end', async () => {
    const text = await (await fetch(`http://127.0.0.1:${world.api.adminPort}/metrics`)).text();
    expect(text).toMatch(/control_api_certificates\{state="issued"\} [1-9]/);
    expect(text).toMatch(/control_api_certificate_orders_total\{result="issued"\} [1-9]/);
    expect(text).toMatch(
      /control_api_certificates_first_expiry_seconds 1\.\d+e9|control_api_certificates_first_expiry_seconds \d{10}/,
    );
    expect(text).toMatch(/control_api_certificates_late \d+/);
  });
});
