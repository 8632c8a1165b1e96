import { expect, test } from 'vitest';
import { waitUntil } from '../../support/wait-until.ts';
import { bodyOf, cleanUpAfterEach, setUpCache, statusOf, type Rig } from './rig.ts';

cleanUpAfterEach();

type Fault = number | 'hangs-up' | 'silent';

const SOON_SILENT = { runnerEnv: { RUNNER_FIRST_BYTE_TIMEOUT_MS: '1000' } };

/** A function that works once, and then fails in the way given. */
async function failing(cacheControl: string, fault: Fault, profile: 'safe' | 'rfc' = 'safe'): Promise<Rig> {
  let hasWorked = false;
  const rig = await setUpCache(
    (_request, response) => {
      if (!hasWorked) response.writeHead(200, { 'Cache-Control': cacheControl }).end('good');
      else if (fault === 'hangs-up') response.destroy();
      else if (fault !== 'silent') response.writeHead(fault).end('bad');
      hasWorked = true;
    },
    { manifest: { profile }, ...(fault === 'silent' ? SOON_SILENT : {}) },
  );
  await rig.get('/');
  return rig;
}

test.each<[Fault, string]>([
  [500, 'origan-edge; fwd=stale; fwd-status=500; ttl=-10; detail=stale-if-error'],
  [502, 'origan-edge; fwd=stale; fwd-status=502; ttl=-10; detail=stale-if-error'],
  [503, 'origan-edge; fwd=stale; fwd-status=503; ttl=-10; detail=stale-if-error'],
  [504, 'origan-edge; fwd=stale; fwd-status=504; ttl=-10; detail=stale-if-error'],
  ['hangs-up', 'origan-edge; fwd=stale; ttl=-10; detail=stale-if-error'],
  ['silent', 'origan-edge; fwd=stale; ttl=-10; detail=stale-if-error'],
])('stale-if-error covers %s', async (fault, cacheStatus) => {
  const { get, clock } = await failing('max-age=10, stale-if-error=60', fault);
  clock.advance(20_000);
  const reply = await get('/');
  expect([reply.status, bodyOf(reply), statusOf(reply)]).toEqual([200, 'good', cacheStatus]);
  expect(reply.headers.age).toBe('20');
});

test.each<[Fault, number]>([
  [400, 400],
  [404, 404],
  [501, 501],
  [505, 505],
])('stale-if-error does not cover %s', async (fault, status) => {
  const { get, clock } = await failing('max-age=10, stale-if-error=60', fault);
  clock.advance(20_000);
  expect((await get('/')).status).toBe(status);
});

test.each([301, 401, 403, 404, 410])(
  'what is answered %i now is not served from what was stored before',
  async (status) => {
    let answered = 200;
    const { get, clock, runner } = await setUpCache((_request, response) => {
      const lifetime = { 'Cache-Control': 'max-age=10, stale-while-revalidate=86400, stale-if-error=86400' };
      response.writeHead(answered, answered === 200 ? lifetime : {}).end(String(answered));
    });
    await get('/');
    clock.advance(11_000);
    answered = status;
    // Still from the store: the refresh that it begins learns of the change.
    expect((await get('/')).status).toBe(200);
    await waitUntil(async () => (await get('/')).status === status);
    expect(runner.calls.length).toBeGreaterThan(1);
    answered = 503;
    expect((await get('/')).status).toBe(503);
  },
);

test.each([408, 425, 429])('%i says nothing of what is stored', async (status) => {
  const { get, clock } = await failing('max-age=10, stale-while-revalidate=86400', status);
  clock.advance(11_000);
  for (let count = 0; count < 5; count += 1) expect((await get('/')).status).toBe(200);
});

test.each<[string, Fault, number]>([
  ['max-age=10', 500, 500],
  ['max-age=10', 'hangs-up', 502],
  ['max-age=10', 'silent', 504],
  ['max-age=10, stale-if-error=60, must-revalidate', 'hangs-up', 502],
  ['max-age=10, stale-if-error=60, proxy-revalidate', 503, 503],
])('%s: a function that answers %s is not covered up', async (cacheControl, fault, status) => {
  const { get, clock } = await failing(cacheControl, fault);
  clock.advance(20_000);
  const reply = await get('/');
  expect(reply.status).toBe(status);
});

test('past the window the error shows', async () => {
  const { get, clock } = await failing('max-age=10, stale-if-error=60', 500);
  clock.advance(71_000);
  expect((await get('/')).status).toBe(500);
});

test('a request may allow it, too, and one that says no-cache does not', async () => {
  const allowing = await failing('max-age=10', 500);
  allowing.clock.advance(20_000);
  expect((await allowing.get('/', { headers: { 'cache-control': 'stale-if-error=60' } })).status).toBe(200);
  const refusing = await failing('max-age=10, stale-if-error=60', 500);
  refusing.clock.advance(20_000);
  expect((await refusing.get('/', { headers: { 'cache-control': 'no-cache' } })).status).toBe(500);
});

test.each<['safe' | 'rfc', string, number]>([
  ['safe', 'max-age=10', 502],
  ['rfc', 'max-age=10', 200],
  ['rfc', 'max-age=10, must-revalidate', 502],
  ['rfc', 's-maxage=10', 502],
  ['rfc', 's-maxage=10, stale-if-error=60', 200],
])('%s, cut off from the function: %s is answered %i', async (profile, cacheControl, status) => {
  const { get, clock } = await failing(cacheControl, 'hangs-up', profile);
  clock.advance(20_000);
  expect((await get('/')).status).toBe(status);
});

test('an error with a lifetime of its own is stored like any other response', async () => {
  const { get, runner } = await setUpCache((_request, response) => {
    response.writeHead(503, { 'Cache-Control': 's-maxage=5' }).end('busy');
  });
  await get('/');
  expect([(await get('/')).status, runner.calls.length]).toEqual([503, 1]);
});
