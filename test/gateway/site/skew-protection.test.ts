import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Manifest } from '../../../contracts/manifest.ts';
import type { RecentBuild } from '../../../contracts/recent-builds.ts';
import { ask, type Question } from '../../support/ask.ts';
import type { RawResponse } from '../../support/raw-http.ts';
import { serveSites, siteOf, type BuiltRecord, type ServedSites } from '../../support/serve-sites.ts';

const NOW = Date.UTC(2026, 5, 30);
const DAY = 24 * 60 * 60 * 1000;
const ago = (days: number): string => new Date(NOW - days * DAY).toISOString();

const everything: Manifest['resources'][number] = {
  kind: 'dynamic',
  urlPath: '/api/*',
  resourcePath: 'f/api.js',
};

// Counts more than Cache-Control for a cache in front.
const targeted: NonNullable<Manifest['headers']>[number] = {
  for: '/data.json',
  set: [['CDN-Cache-Control', 'max-age=60']],
};

function build(id: string, pinByCookie = false): BuiltRecord {
  const built = siteOf(
    {
      '/same.html': 'a page that never changes',
      '/index.html': `page of ${id}`,
      '/data.json': `{"build":"${id}"}`,
      [`/assets/app.${id}0a1b2c3d.js`]: `code of ${id}`,
    },
    { resources: [everything], pinByCookie, headers: [targeted] },
    id,
  );
  const manifest = Buffer.from(JSON.stringify(built.record.config));
  return { ...built, objects: { ...built.objects, [`deployments/${id}/manifest.json`]: manifest } };
}

const b0 = build('b0');
const [b1, b2, b3, b4] = [build('b1'), build('b2'), build('b3'), build('b4', true)];
const foreign = build('foreign');
const caught = siteOf(
  { '/index.html': 'caught' },
  { resources: [{ kind: 'dynamic', urlPath: '/*', resourcePath: 'f/all.js' }] },
  'caught',
);

let edge: ServedSites;
let runner: Server;
let recent: RecentBuild[] | 'failing';
let lookUps = 0;

beforeAll(async () => {
  runner = createServer((request, response) => {
    response.setHeader('Cache-Control', ['public', 'max-age=5']);
    response.setHeader('Vary', ['Accept', 'Accept-Language']);
    response.end(`function of ${String(request.headers['x-origan-deployment-id'])}`);
  });
  await new Promise<void>((resolve) => runner.listen(0, '127.0.0.1', resolve));
  edge = await serveSites({
    sites: {
      'site.test': b3.record,
      'cookie.test': b4.record,
      'caught.test': caught.record,
      'query.test': b4.record,
      'failing.test': b3.record,
    },
    objects: Object.assign({}, ...[b0, b1, b2, b3, b4, foreign, caught].map(({ objects }) => objects)),
    runnerUrl: `http://127.0.0.1:${(runner.address() as AddressInfo).port}`,
    nowMs: () => NOW,
    recent: (host) => {
      lookUps += 1;
      return host === 'failing.test' ? 'failing' : recent;
    },
  });
  recent = [
    { deploymentId: 'b2', shownUntil: ago(0) },
    { deploymentId: 'gone', shownUntil: ago(10) },
    // Many a day: the page that was opened first is within its 30 days all the same.
    ...Array.from({ length: 500 }, (_each, index) => ({
      deploymentId: `later-${index}`,
      shownUntil: ago(11),
    })),
    { deploymentId: 'b0', shownUntil: ago(29) },
    { deploymentId: 'b1', shownUntil: ago(31) },
  ];
});

afterAll(async () => {
  await edge.close();
  await new Promise((resolve) => runner.close(resolve));
});

const get = (question: Question): Promise<RawResponse> => ask(edge.port, question);

describe('a request that names a build', () => {
  test.each<[string, Question]>([
    ['in the query', { target: '/data.json?dpl=b2' }],
    ['in a header', { target: '/data.json', headers: { 'x-deployment-id': 'b2' } }],
    ['in a cookie', { target: '/data.json', headers: { cookie: 'a=1; __origan_deployment=b2; b=2' } }],
  ])('%s gets that build', async (_name, question) => {
    expect((await get(question)).text).toBe('{"build":"b2"}');
    expect((await get({ ...question, target: question.target.replace('data.json', '') })).text).toBe(
      'page of b2',
    );
    expect((await get({ ...question, target: question.target.replace('data.json', 'api/x') })).text).toBe(
      'function of b2',
    );
    // From memory, too: the second time everything is ready.
    expect((await get(question)).text).toBe('{"build":"b2"}');
    expect((await get({ target: '/data.json' })).text).toBe('{"build":"b3"}');
  });

  test('gets a build that was replaced hundreds of times since, within 30 days', async () => {
    expect((await get({ target: '/data.json?dpl=b0' })).text).toBe('{"build":"b0"}');
  });

  test('by header or cookie is answered for nobody else', async () => {
    const byHeader = await get({ target: '/data.json', headers: { 'x-deployment-id': 'b2' } });
    expect(byHeader.header('cache-control')).toBe('private, max-age=0, must-revalidate');
    expect(byHeader.header('vary')).toContain('x-deployment-id');
    const byCookie = await get({ target: '/api/x', headers: { cookie: '__origan_deployment=b2' } });
    expect(byCookie.header('cache-control')).toBe('private, max-age=5');
    expect(byCookie.header('vary')).toBe('Accept, Accept-Language, Cookie');
    const byQuery = await get({ target: '/data.json?dpl=b2' });
    expect(byQuery.header('cache-control')).toBe('public, max-age=0, must-revalidate');
  });

  test.each(['b1', 'gone', 'foreign', 'caught', '../b2', 'b3', ''])(
    'that is too old, unknown, of elsewhere or the present one (%s) gets the present one',
    async (id) => {
      const answer = await get({ target: '/data.json', headers: { 'x-deployment-id': id } });
      expect(answer.text).toBe('{"build":"b3"}');
      expect(answer.header('cache-control')).toBe('public, max-age=0, must-revalidate');
    },
  );

  test('by a cookie does not keep the next page old', async () => {
    const cookie = '__origan_deployment=b2';
    for (const navigation of [{ 'sec-fetch-mode': 'navigate' }, { accept: 'text/html' }]) {
      expect((await get({ target: '/', headers: { cookie, ...navigation } })).text).toBe('page of b3');
    }
    expect((await get({ target: '/', headers: { cookie, 'sec-fetch-mode': 'cors' } })).text).toBe(
      'page of b2',
    );
  });

  test('is answered with the present build while the control API fails', async () => {
    expect((await get({ host: 'failing.test', target: '/data.json?dpl=b2' })).text).toBe('{"build":"b3"}');
  });
});

describe('a fingerprinted file that the present build lacks', () => {
  test('comes from the builds before it', async () => {
    const answer = await get({ target: '/assets/app.b20a1b2c3d.js' });
    expect([answer.status, answer.text]).toEqual([200, 'code of b2']);
    expect(answer.header('cache-control')).toBe('public, max-age=31536000, immutable');
    const etag = answer.header('etag') ?? '';
    const again = await get({ target: '/assets/app.b20a1b2c3d.js', headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
  });

  test('or from the present one, for a page that is pinned to an older', async () => {
    const answer = await get({ target: '/assets/app.b30a1b2c3d.js?dpl=b2' });
    expect([answer.status, answer.text]).toEqual([200, 'code of b3']);
  });

  test('goes before a function for everything', async () => {
    const answer = await get({ host: 'caught.test', target: '/assets/app.b20a1b2c3d.js' });
    expect(answer.text).toBe('code of b2');
    expect((await get({ host: 'caught.test', target: '/assets/app.js' })).text).toBe('function of caught');
  });

  test('is 404 where no recent build has it, and nothing else is looked for', async () => {
    expect((await get({ target: '/assets/app.b10a1b2c3d.js' })).status).toBe(404);
    expect((await get({ target: '/assets/app.foreign0a1b2c3d.js' })).status).toBe(404);
    const before = lookUps;
    for (const target of ['/assets/app.js', '/nope', '/other.txt']) {
      expect((await get({ target })).status, target).toBe(404);
    }
    await get({ target: '/assets/app.b20a1b2c3d.js', method: 'POST' });
    expect(lookUps).toBe(before);
  });
});

test('the builds of a host are asked for once, not with each request', async () => {
  const before = lookUps;
  for (let count = 0; count < 5; count += 1) await get({ target: `/data.json?dpl=unknown${count}` });
  expect(lookUps).toBe(before);
});

describe('the cookie that pins', () => {
  const navigation = { 'sec-fetch-mode': 'navigate' };

  test('is set by pages of a site that wants it, to the build that they are of', async () => {
    for (let round = 0; round < 2; round += 1) {
      const page = await get({ host: 'cookie.test', target: '/', headers: navigation });
      expect(page.header('set-cookie')).toBe(
        '__origan_deployment=b4; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax',
      );
    }
  });

  test.each<[string, Question]>([
    ['not by anything else', { host: 'cookie.test', target: '/data.json', headers: navigation }],
    [
      'not where it is set',
      { host: 'cookie.test', target: '/', headers: { ...navigation, cookie: '__origan_deployment=b4' } },
    ],
    ['not without a navigation', { host: 'cookie.test', target: '/' }],
    ['not by other sites', { target: '/', headers: navigation }],
  ])('%s', async (_name, question) => {
    const answer = await get(question);
    expect([answer.status, answer.header('set-cookie')]).toEqual([200, undefined]);
  });

  const cookieOf = async (question: Question): Promise<string | undefined> =>
    (await get(question)).header('set-cookie')?.split(';')[0];
  const withCookie = (id: string): Record<string, string> => ({
    ...navigation,
    cookie: `__origan_deployment=${id}`,
  });

  test('comes with the news that a page has not changed: what it asks for is to be of the present build', async () => {
    const page = await get({ host: 'cookie.test', target: '/same', headers: navigation });
    const headers = { ...withCookie('b2'), 'if-none-match': page.header('etag') ?? '' };
    const again = await get({ host: 'cookie.test', target: '/same', headers });
    expect([again.status, again.header('set-cookie')?.split(';')[0]]).toEqual([
      304,
      '__origan_deployment=b4',
    ]);
    const data = await get({ host: 'cookie.test', target: '/data.json', headers: navigation });
    const unchanged = { ...headers, 'if-none-match': data.header('etag') ?? '' };
    const other = await get({ host: 'cookie.test', target: '/data.json', headers: unchanged });
    expect([other.status, other.header('set-cookie')]).toEqual([304, undefined]);
  });

  test('names the build of a page that a query asked for', async () => {
    const page = await get({ host: 'query.test', target: '/?dpl=b2', headers: navigation });
    expect([page.text, page.header('set-cookie')?.split(';')[0]]).toEqual([
      'page of b2',
      '__origan_deployment=b2',
    ]);
  });

  test('makes the page that sets it nothing for caches in front', async () => {
    const first = await get({ host: 'cookie.test', target: '/', headers: navigation });
    expect(first.header('cache-control')).toBe('private, max-age=0, must-revalidate');
    const next = await get({ host: 'cookie.test', target: '/', headers: withCookie('b4') });
    expect(next.header('cache-control')).toBe('public, max-age=0, must-revalidate');
  });

  test('is taken away by pages of a site that has come to do without', async () => {
    for (let round = 0; round < 2; round += 1) {
      const page = await get({ target: '/', headers: withCookie('b2') });
      expect([page.text, page.header('set-cookie')]).toEqual([
        'page of b3',
        '__origan_deployment=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax',
      ]);
    }
    expect(await cookieOf({ target: '/data.json', headers: withCookie('b2') })).toBeUndefined();
  });
});

test('what a header chose is private for caches that go by other fields first, too', async () => {
  const headers = { 'x-deployment-id': 'b2' };
  const file = await get({ target: '/data.json', headers });
  expect([file.header('cache-control'), file.header('cdn-cache-control')]).toEqual([
    'private, max-age=0, must-revalidate',
    undefined,
  ]);
  const call = await get({ target: '/api/x', headers });
  expect(call.all('cache-control')).toEqual(['private, max-age=5']);
  expect(call.all('vary')).toEqual(['Accept, Accept-Language, x-deployment-id']);
});
