import { request } from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { domainListSchema } from '../../../contracts/control-api-answers.ts';
import { apiPaths } from '../../../contracts/control-api.ts';
import { acmeEnv } from '../../support/certificate-world.ts';
import { talkTo } from '../../support/control-api.ts';
import { freePort } from '../../support/free-port.ts';
import { startPebble, type Pebble } from '../../support/pebble.ts';
import { origan } from '../../support/run-cli.ts';
import { siteFolder } from '../../support/site-folder.ts';
import { startSystem, type System } from '../../support/system.ts';

// From `origan domains add` to an HTTPS request, with every program in a process of its own and a real authority.

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
    },
    controlApiEnv: acmeEnv(pebble, pebble, httpPort),
  });
});

afterAll(async () => {
  await system?.close();
  await pebble?.close();
});

test('a domain that is added serves HTTPS with a certificate that the authority’s root verifies', async () => {
  const run = async (...args: string[]): Promise<string> => {
    const env = { ORIGAN_API_URL: system.controlApi.url, ORIGAN_TOKEN: system.token };
    const { code, out, err } = await origan([...args, '--project', 'site'], { env });
    expect(code, err).toBe(0);
    return out;
  };
  await talkTo(system.controlApi.url).send('POST', apiPaths.projects(), { name: 'site' }, system.token);
  await run('deploy', await siteFolder({ 'index.html': '<p>over TLS' }));
  const added = await run('domains', 'add', 'www.shop.test');
  expect(added).toContain('Its certificate is ordered once its DNS points here');
  expect(await run('domains', 'add', '*.shop.test')).toContain(
    'No certificate is ordered for it: A wildcard',
  );
  const listed = async (): Promise<string | undefined> => {
    const { domains } = domainListSchema.parse(JSON.parse(await run('domains', 'ls', '--json')));
    return domains.find(({ host }) => host === 'www.shop.test')?.certificate?.state;
  };
  await expect.poll(listed).toBe('issued');
  expect(await get('www.shop.test', await pebble.root())).toEqual({ status: 200, text: '<p>over TLS' });
  const table = await run('domains', 'ls');
  expect(table).toMatch(/^URL .* CERTIFICATE$/m);
  expect(table).toMatch(/^https:\/\/www\.shop\.test .* issued, ends 20\d\d-\d\d-\d\d$/m);
  expect(table).toMatch(/^ {2}\*\.shop\.test: A wildcard cannot be proved over HTTP/m);
});

function get(host: string, ca: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: tlsPort, servername: host, headers: { Host: host }, ca }, (answer) => {
      let text = '';
      answer
        .setEncoding('utf8')
        .on('data', (chunk: string) => (text += chunk))
        .on('end', () => resolve({ status: answer.statusCode, text }));
    })
      .once('error', reject)
      .end();
  });
}
