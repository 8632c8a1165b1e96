import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../../contracts/control-api.ts';
import { freePort } from '../../support/free-port.ts';
import { startPebble, type Pebble } from '../../support/pebble.ts';
import { origan } from '../../support/run-cli.ts';
import { startSystem, type System } from '../../support/system.ts';
import { talkTo } from '../../support/control-api.ts';

let pebble: Pebble;
let system: System;
let tlsPort = 0;

beforeAll(async () => {
  const httpPort = await freePort();
  tlsPort = await freePort();
  pebble = await startPebble({ httpPort });
  system = await startSystem({
    gatewayEnv: {
      GATEWAY_PORT: String(httpPort),
      HAS_TLS_SERVER: 'true',
      GATEWAY_TLS_PORT: String(tlsPort),
      TLS_REREAD_AFTER_MS: '200',
    },
    controlApiEnv: {
      ENVIRONMENT_KEY: 'ab'.repeat(32),
      ACME_DIRECTORY_URL: pebble.directoryUrl,
      ACME_TERMS_AGREED: 'true',
      ACME_CA_FILE: pebble.caFile,
      ACME_HTTP_PORT: String(httpPort),
      ACME_DNS_SERVERS: pebble.dnsServer,
      ACME_ALLOW_PRIVATE_ADDRESSES: 'true',
      ACME_LOOK_EVERY_MS: '200',
    },
  });
});

afterAll(async () => {
  await system?.close();
  await pebble?.close();
});

describe('a domain', () => {
  test('has a certificate soon after it was added', async () => {
    const env = { ORIGAN_API_URL: system.controlApi.url, ORIGAN_TOKEN: system.token };
    const api = talkTo(system.controlApi.url);
    await api.send('POST', apiPaths.projects(), { name: 'site' }, system.token);
    const added = await origan(['domains', 'add', 'www.shop.test', '--project', 'site'], { env });
    expect(added.code, added.err).toBe(0);
    await expect
      .poll(
        async () => {
          const listed = await origan(['domains', 'ls', '--project', 'site', '--json'], { env });
          return JSON.parse(listed.out).domains[0]?.certificate;
        },
        { timeout: 20_000 },
      )
      .toMatchObject({ state: 'issued' });
    const ca = await pebble.root();
    const subject = await new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: tlsPort, servername: 'www.shop.test', ca }, () => {
        resolve(socket.getPeerX509Certificate()?.subjectAltName);
        socket.end();
      });
      socket.once('error', reject);
    });
    expect(subject).toBe('DNS:www.shop.test');
  });
});
