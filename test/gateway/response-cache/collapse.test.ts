import { request as httpRequest, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { mayGoUnawaited } from '../../support/may-go-unawaited.ts';
import type { ReceivedReply } from '../../support/send-request.ts';
import { HOST } from '../../support/start-edge.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { bodyOf, cleanUpAfterEach, setUpCache, statusOf, type Rig } from './rig.ts';

cleanUpAfterEach();

/** A function that answers when the test says so. */
type Held = { waiting: ServerResponse[]; answerAll(headers: Record<string, string>, body: string): void };

function hold(): Held {
  const waiting: ServerResponse[] = [];
  return {
    waiting,
    answerAll: (headers, body) => {
      for (const response of waiting.splice(0)) response.writeHead(200, headers).end(body);
    },
  };
}

function many(rig: Rig, count: number, path = '/'): Promise<ReceivedReply[]> {
  return mayGoUnawaited(Promise.all(Array.from({ length: count }, () => rig.get(path))));
}

test('500 concurrent requests on an expired entry are one call', async () => {
  const held = hold();
  let isHeld = false;
  const rig = await setUpCache((_request, response) => {
    if (isHeld) held.waiting.push(response);
    else response.writeHead(200, { 'Cache-Control': 'max-age=10' }).end('old');
  });
  await rig.get('/');
  rig.clock.advance(11_000);
  isHeld = true;
  const replies = many(rig, 500);
  await waitUntil(() => held.waiting.length > 0 && rig.edges[0]?.underWay() === 500);
  held.answerAll({ 'Cache-Control': 'max-age=10' }, 'new');
  const bodies = new Set((await replies).map(bodyOf));
  expect([...bodies]).toEqual(['new']);
  expect(rig.runner.calls).toHaveLength(2);
  const statuses = (await replies).map(statusOf);
  expect(statuses.filter((status) => status.endsWith('; stored; collapsed')).length).toBeGreaterThan(400);
  expect(statuses.filter((status) => status.endsWith('; stored'))).toHaveLength(1);
});

test('concurrent requests for something never seen are one call, HEAD included', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response));
  const leader = rig.get('/');
  await waitUntil(() => held.waiting.length === 1);
  const others = many(rig, 50);
  const head = rig.get('/', { method: 'HEAD' });
  await waitUntil(() => rig.edges[0]?.underWay() === 52);
  held.answerAll({ 'Cache-Control': 'max-age=10' }, 'body');
  expect((await others).map(bodyOf)).toEqual(Array.from({ length: 50 }, () => 'body'));
  expect([bodyOf(await leader), bodyOf(await head)]).toEqual(['body', '']);
  expect(rig.runner.calls).toHaveLength(1);
});

test('HEADs for something never seen, or expired, are one call among themselves', async () => {
  const held = hold();
  let isHeld = true;
  const rig = await setUpCache((_request, response) => {
    if (isHeld) held.waiting.push(response);
    else response.writeHead(200, { 'Cache-Control': 'max-age=10' }).end('body');
  });
  const heads = async (path: string): Promise<ReceivedReply[]> => {
    const calls = rig.runner.calls.length;
    const replies = Array.from({ length: 40 }, () => rig.get(path, { method: 'HEAD' }));
    await waitUntil(() => held.waiting.length === 1 && rig.edges[0]?.underWay() === 40);
    held.answerAll({ 'Cache-Control': 'max-age=10', 'X-Seen': '1' }, 'body');
    const received = await Promise.all(replies);
    expect(rig.runner.calls.slice(calls).map(({ method }) => method)).toEqual(['HEAD']);
    return received;
  };
  for (const { status, headers } of await heads('/never'))
    expect([status, headers['x-seen']]).toEqual([200, '1']);
  isHeld = false;
  await rig.get('/expired');
  rig.clock.advance(11_000);
  isHeld = true;
  await heads('/expired');
  // What is for one client alone is not handed to others.
  const own = Array.from({ length: 10 }, () => rig.get('/own', { method: 'HEAD' }));
  await waitUntil(() => held.waiting.length === 1 && rig.edges[0]?.underWay() === 10);
  held.answerAll({ 'Cache-Control': 'private' }, '');
  await waitUntil(() => held.waiting.length === 9);
  held.answerAll({ 'Cache-Control': 'private' }, '');
  await Promise.all(own);
});

test('a HEAD that others wait for is not the answer to who selects another variant, or to GET', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response));
  const first = rig.get('/', { method: 'HEAD', headers: { 'accept-language': 'de' } });
  await waitUntil(() => held.waiting.length === 1);
  const second = rig.get('/', { method: 'HEAD', headers: { 'accept-language': 'en' } });
  await waitUntil(() => rig.edges[0]?.underWay() === 2);
  const whole = rig.get('/');
  await waitUntil(() => held.waiting.length === 2);
  held.answerAll({ 'Cache-Control': 'max-age=10', Vary: 'Accept-Language' }, 'body');
  await first;
  expect(bodyOf(await whole)).toBe('body');
  await waitUntil(() => held.waiting.length === 1);
  held.answerAll({ 'Cache-Control': 'max-age=10', Vary: 'Accept-Language' }, 'body');
  await second;
  expect(rig.runner.calls.map(({ method }) => method).toSorted()).toEqual(['GET', 'HEAD', 'HEAD']);
});

test('requests for what cannot be shared are released at once, all in parallel, and do not wait again', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response));
  const first = many(rig, 100);
  await waitUntil(() => held.waiting.length === 1 && rig.edges[0]?.underWay() === 100);
  held.answerAll({ 'Cache-Control': 'private' }, 'mine');
  // All others at the same time: the function answers none before it has seen them all.
  await waitUntil(() => held.waiting.length === 99);
  held.answerAll({ 'Cache-Control': 'private' }, 'mine');
  await first;
  const second = many(rig, 100);
  await waitUntil(() => held.waiting.length === 100);
  held.answerAll({ 'Cache-Control': 'private' }, 'mine');
  await second;
  expect(rig.runner.calls).toHaveLength(200);
});

test('hit-for-miss ends after 120 seconds, and at once when a response can be shared', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response));
  const answer = async (headers: Record<string, string>, calls: number): Promise<void> => {
    const replies = many(rig, 5);
    await waitUntil(() => held.waiting.length === calls && rig.edges[0]?.underWay() === 5);
    held.answerAll(headers, 'body');
    await waitUntil(() => {
      held.answerAll(headers, 'body');
      return rig.runner.underWay() === 0 && rig.edges[0]?.underWay() === 0;
    });
    await replies;
  };
  await answer({ 'Cache-Control': 'private' }, 1);
  await answer({ 'Cache-Control': 'private' }, 5);
  rig.clock.advance(121_000);
  await answer({ 'Cache-Control': 'private' }, 1);
  await answer({ 'Cache-Control': 'max-age=1' }, 5);
  rig.clock.advance(2000);
  await answer({ 'Cache-Control': 'max-age=1' }, 1);
});

test('a waiter whose selecting headers differ gets a response of its own', async () => {
  const held = hold();
  const rig = await setUpCache((request, response) => {
    response.setHeader('X-Language', String(request.headers['accept-language']));
    held.waiting.push(response);
  });
  const german = rig.get('/', { headers: { 'accept-language': 'de' } });
  await waitUntil(() => held.waiting.length === 1);
  const alike = rig.get('/', { headers: { 'accept-language': 'de' } });
  const french = rig.get('/', { headers: { 'accept-language': 'fr' } });
  await waitUntil(() => rig.edges[0]?.underWay() === 3);
  held.answerAll({ 'Cache-Control': 'max-age=60', Vary: 'Accept-Language' }, 'body');
  await waitUntil(() => held.waiting.length === 1);
  held.answerAll({ 'Cache-Control': 'max-age=60', Vary: 'Accept-Language' }, 'body');
  const languages = [await german, await alike, await french].map(({ headers }) => headers['x-language']);
  expect(languages).toEqual(['de', 'de', 'fr']);
  expect(rig.runner.calls).toHaveLength(2);
});

test('the call goes on when its client leaves while others wait, and ends when nobody is left', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response));
  const leave = await connect(rig, '/shared');
  await waitUntil(() => held.waiting.length === 1);
  const waiter = rig.get('/shared');
  await waitUntil(() => rig.edges[0]?.underWay() === 2);
  leave();
  await waitUntil(() => rig.edges[0]?.underWay() === 1);
  expect(rig.runner.underWay()).toBe(1);
  held.answerAll({ 'Cache-Control': 'max-age=60' }, 'body');
  expect(bodyOf(await waiter)).toBe('body');
  expect(rig.runner.calls).toHaveLength(1);
  const leaveAlone = await connect(rig, '/alone');
  await waitUntil(() => held.waiting.length === 1);
  leaveAlone();
  await waitUntil(() => rig.runner.underWay() === 0);
});

test('who comes just after everybody has left begins anew', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response));
  const leave = await connect(rig, '/');
  await waitUntil(() => held.waiting.length === 1);
  leave();
  const reply = rig.get('/');
  await waitUntil(() => {
    held.answerAll({ 'Cache-Control': 'max-age=60' }, 'body');
    return rig.edges[0]?.underWay() === 0;
  });
  expect([(await reply).status, bodyOf(await reply)]).toEqual([200, 'body']);
});

test('what is wrong with one request alone is not the failure of those who wait', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response));
  const odd = rig.get('/', { headers: { expect: 'something' } });
  const plain = rig.get('/');
  await waitUntil(() => held.waiting.length === 1);
  held.answerAll({ 'Cache-Control': 'max-age=60' }, 'body');
  expect([(await odd).status, (await plain).status]).toEqual([417, 200]);
});

test('waiters are bounded in number: the rest go on their own', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response), {
    cache: { collapse: { maxWaiters: 3 } },
  });
  const replies = many(rig, 10);
  await waitUntil(() => held.waiting.length === 7);
  held.answerAll({ 'Cache-Control': 'max-age=60' }, 'body');
  expect((await replies).map(bodyOf)).toEqual(Array.from({ length: 10 }, () => 'body'));
});

test('waiters are bounded in time: a call that takes too long holds up nobody', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response), {
    cache: { collapse: { unknownWaitMs: 50 } },
  });
  const replies = many(rig, 4);
  await waitUntil(() => held.waiting.length === 4);
  held.answerAll({ 'Cache-Control': 'max-age=60' }, 'body');
  await replies;
});

test('a failed call fails for all who wait: they do not each try again', async () => {
  const held = hold();
  let isBroken = false;
  const rig = await setUpCache((_request, response) => {
    if (isBroken) response.destroy();
    else held.waiting.push(response);
  });
  const replies = many(rig, 20);
  await waitUntil(() => held.waiting.length === 1 && rig.edges[0]?.underWay() === 20);
  isBroken = true;
  held.waiting.pop()?.destroy();
  expect((await replies).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 502));
  // What the way to the runner repeats by itself, and no more.
  expect(rig.runner.calls.length).toBeLessThan(5);
});

test('stale-while-revalidate: everybody is answered at once, one refresh runs in the background', async () => {
  const held = hold();
  let isHeld = false;
  const rig = await setUpCache((_request, response) => {
    if (isHeld) held.waiting.push(response);
    else response.writeHead(200, { 'Cache-Control': 's-maxage=10, stale-while-revalidate=60' }).end('old');
  });
  await rig.get('/');
  rig.clock.advance(40_000);
  isHeld = true;
  const replies = await many(rig, 50);
  expect(new Set(replies.map(bodyOf))).toEqual(new Set(['old']));
  expect(statusOf(replies[0] as ReceivedReply)).toBe('origan-edge; hit; ttl=-30; detail=swr');
  await waitUntil(() => held.waiting.length === 1);
  expect(rig.runner.calls).toHaveLength(2);
  held.answerAll({ 'Cache-Control': 's-maxage=10' }, 'new');
  await waitUntil(async () => bodyOf(await rig.get('/')) === 'new');
  expect(rig.runner.calls).toHaveLength(2);
});

test('requests that insist on the function, or carry credentials, wait for nobody', async () => {
  const held = hold();
  const rig = await setUpCache((_request, response) => held.waiting.push(response));
  const replies = [
    rig.get('/'),
    rig.get('/', { headers: { 'cache-control': 'no-cache' } }),
    rig.get('/', { headers: { authorization: 'Bearer x' } }),
    rig.get('/', { headers: { 'x-unusual': '1' } }),
  ];
  await waitUntil(() => held.waiting.length === 4);
  held.answerAll({ 'Cache-Control': 'max-age=60' }, 'body');
  await Promise.all(replies);
});

/** Sends a request and answers how to leave. */
async function connect({ edges }: Rig, path: string): Promise<() => void> {
  const sent = httpRequest({
    host: '127.0.0.1',
    port: edges[0]?.port,
    path,
    headers: { host: HOST },
    agent: false,
  });
  sent.on('error', () => {});
  sent.end();
  await once(sent, 'socket');
  return () => sent.destroy();
}
