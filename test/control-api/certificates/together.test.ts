import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiPaths, type Domain } from '../../../contracts/control-api.ts';
import { startAuthorityProxy, type AuthorityProxy } from '../../support/authority-proxy.ts';
import { acmeEnv, handshake } from '../../support/certificate-world.ts';
import { talkTo } from '../../support/control-api.ts';
import { freePort } from '../../support/free-port.ts';
import { startPebble, type Pebble } from '../../support/pebble.ts';
import { startPostgres, type PostgresServer } from '../../support/postgres.ts';
import { startNode, type StartedProcess } from '../../support/process.ts';
import { startS3Server, type S3Server } from '../../support/s3-server.ts';
import { startSystem, type System } from '../../support/system.ts';

// Two control APIs on one PostgreSQL and an S3 server, without a cache server between them.

const HOSTS = ['a.pair.test', 'b.pair.test', 'c.pair.test', 'd.pair.test'];

let postgres: PostgresServer;
let s3: S3Server;
let pebble: Pebble;
let authority: AuthorityProxy;
let system: System;
let second: StartedProcess;
let tlsPort = 0;

beforeAll(async () => {
  const [httpPort, secondPort] = [await freePort(), await freePort()];
  tlsPort = await freePort();
  [postgres, s3, pebble] = await Promise.all([startPostgres(), startS3Server(), startPebble({ httpPort })]);
  authority = await startAuthorityProxy(pebble);
  const controlApiEnv = acmeEnv(authority, pebble, httpPort);
  system = await startSystem({
    env: { ...s3.env, DATABASE_URL: await postgres.createDatabase(), CACHE_ENABLED: 'false' },
    gatewayEnv: {
      GATEWAY_PORT: String(httpPort),
      HAS_TLS_SERVER: 'true',
      GATEWAY_TLS_PORT: String(tlsPort),
    },
    controlApiEnv,
  });
  second = startNode('control-api/main.ts', {
    env: {
      ...system.env,
      ...controlApiEnv,
      CONTROL_API_PORT: String(secondPort),
      CONTROL_API_ADMIN_PORT: '0',
    },
  });
  await second.waitFor(/"msg":"the control API is ready"/);
});

afterAll(async () => {
  await second?.stop('SIGKILL');
  await system?.close();
  await Promise.all([authority?.close(), pebble?.close(), s3?.stop()]);
  await postgres?.close();
});

test('order once for each domain, and register once', async () => {
  const { token, controlApi } = system;
  const api = talkTo(controlApi.url);
  await api.send('POST', apiPaths.projects(), { name: 'site' }, token);
  for (const host of HOSTS) await api.send('POST', apiPaths.domains('site'), { host }, token);
  const states = async (): Promise<unknown[]> => {
    const { body } = await api.send('GET', apiPaths.domains('site'), undefined, token);
    return (body.domains as Domain[]).map(({ certificate }) => certificate?.state);
  };
  await expect.poll(states).toEqual(HOSTS.map(() => 'issued'));
  expect(authority.orders()).toBe(HOSTS.length);
  const logs = [controlApi.process(), second].map((each) => each.stdout() + each.stderr());
  const accounts = new Set(
    logs.flatMap((log) => Array.from(log.matchAll(/"accountUrl":"([^"]+)"/g), ([, url]) => url)),
  );
  expect(accounts.size).toBe(1);
  const ca = await pebble.root();
  for (const host of HOSTS) expect((await handshake(tlsPort, host, ca)).checkHost(host)).toBe(host);
  const written = [...logs, system.gateways[0]?.process().stderr() ?? ''].join('\n');
  expect(written).not.toContain('PRIVATE KEY');
}, 180_000);
