import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { deploymentTag } from '../../../cache/tags.ts';
import { tagOfUrl } from '../../../cache/url-tag.ts';
import { DEPLOYMENT_ID, HOST } from '../../support/start-edge.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { bodyOf, cleanUpAfterEach, setUpCache, statusOf, type Rig } from './rig.ts';

cleanUpAfterEach();

/** A list that POST adds to; what GET answers was read when the call began, and is held back until it is let go. */
async function setUpList(isHeld: (call: number) => boolean): Promise<Rig & { letGo: () => void }> {
  let list = '1';
  let reads = 0;
  const held: (() => void)[] = [];
  const answer = (response: ServerResponse, body: string): void => {
    response.writeHead(200, { 'Cache-Control': 'max-age=60' }).end(body);
  };
  const rig = await setUpCache((request, response) => {
    if (request.method === 'POST') {
      list += ',2';
      response.writeHead(201).end();
      return;
    }
    const body = list;
    reads += 1;
    if (isHeld(reads)) held.push(() => answer(response, body));
    else answer(response, body);
  });
  return { ...rig, letGo: () => held.forEach((release) => release()) };
}

test('what was being fetched when an unsafe method changed it is not stored', async () => {
  const { get, runner, letGo } = await setUpList((read) => read === 1);
  const before = get('/list');
  await waitUntil(() => runner.calls.length === 1);
  await get('/list', { method: 'POST' });
  letGo();
  expect(bodyOf(await before)).toBe('1');
  expect(bodyOf(await get('/list'))).toBe('1,2');
  expect(statusOf(await get('/list'))).toContain('; hit');
});

test('who asks after the change does not wait for what was asked before it', async () => {
  const { get, runner, letGo } = await setUpList((read) => read === 1);
  const before = get('/list');
  await waitUntil(() => runner.calls.length === 1);
  await get('/list', { method: 'POST' });
  expect(bodyOf(await get('/list'))).toBe('1,2');
  letGo();
  expect(bodyOf(await before)).toBe('1');
  expect(bodyOf(await get('/list'))).toBe('1,2');
});

test.each([
  ['stored before', 2],
  ['never seen', 1],
])('who waits for something %s when a purge ends it shares one call again', async (_which, heldRead) => {
  const { get, runner, edges, caches, clock, letGo } = await setUpList((read) => read === heldRead);
  if (heldRead === 2) await get('/list');
  clock.advance(61_000);
  const first = get('/list');
  await waitUntil(() => runner.calls.length === heldRead);
  const waiting = Array.from({ length: 20 }, () => get('/list'));
  await waitUntil(() => edges[0]?.underWay() === 21);
  const tags = [deploymentTag(DEPLOYMENT_ID), tagOfUrl(HOST, '/list', '', [])];
  for (const tag of tags) await caches[0]?.purgeTag('project-1', tag);
  letGo();
  await Promise.all([first, ...waiting]);
  expect(runner.calls).toHaveLength(heldRead + 1);
});

test('POST that answers later GETs ends what other gateways have stored', async () => {
  let count = 0;
  const rig = await setUpCache(
    (request, response) => {
      count += 1;
      response.writeHead(200, { 'Cache-Control': 'max-age=60', 'Content-Location': request.url });
      response.end(`${request.method} ${count}`);
    },
    { edges: 2, manifest: { profile: 'rfc' } },
  );
  for (const edge of [0, 1]) expect(bodyOf(await rig.get('/list', { edge }))).toBe('GET 1');
  expect(bodyOf(await rig.get('/list', { edge: 0, method: 'POST' }))).toBe('POST 2');
  for (const edge of [0, 1]) expect(bodyOf(await rig.get('/list', { edge }))).toBe('POST 2');
});
