import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manualClock } from '../../support/manual-clock.ts';
import { ask } from '../../support/ask.ts';
import { serveSites, siteOf, type ServedSites } from '../../support/serve-sites.ts';

const site = siteOf({
  '/index.html': '<h1>home</h1>',
  '/a b/ü.txt': 'named',
  '/dir/file.txt': 'in a folder',
  '/.well-known/security.txt': 'contact',
  '/100%.txt': 'percent',
  '/latin Ã¼.txt': 'mojibake',
});
const other = siteOf({ '/index.html': '<h1>other</h1>' }, {}, 'dep-2');
const wild = siteOf({ '/index.html': '<h1>wild</h1>' }, {}, 'dep-3');

let edge: ServedSites;

beforeAll(async () => {
  edge = await serveSites({
    sites: {
      'site.test': site.record,
      'site.test:8080': other.record,
      '*.wild.test': wild.record,
      'broken.test': 'failing',
      'xn--bcher-kva.test': other.record,
    },
    objects: { ...site.objects, ...other.objects, ...wild.objects },
  });
});

afterAll(() => edge.close());

describe('a path is decoded exactly once', () => {
  test.each([
    ['/a%20b/%C3%BC.txt', 'named'],
    ['/100%25.txt', 'percent'],
    ['/dir/file%2Etxt', 'in a folder'],
    ['/d%69r/file.txt?x=1', 'in a folder'],
    ['/.well-known/security.txt', 'contact'],
    ['/x/../dir/./file.txt', 'in a folder'],
    ['/x/%2e%2E/dir/%2e/file.txt', 'in a folder'],
    ['/../../dir/file.txt', 'in a folder'],
    ['http://site.test/dir/file.txt', 'in a folder'],
    ['HTTP://SITE.test:80/dir/file.txt', 'in a folder'],
    ['http://site.test?x=1', '<h1>home</h1>'],
    ['/?x=1', '<h1>home</h1>'],
  ])('%s', async (target, text) => {
    const answer = await ask(edge.port, { target });
    expect([answer.status, answer.text]).toEqual([200, text]);
  });

  test.each([
    ['/dir%2Ffile.txt', 404],
    ['/dir%252Ffile.txt', 404],
    ['/100%2525.txt', 404],
    ['/latin%20%C3%BC.txt', 404],
    ['/%', 400],
    ['/%zz', 400],
    ['/%c3', 400],
    ['/%ff', 400],
    ['/a%00b', 400],
    ['/a%5Cb', 400],
    ['/a\\b', 400],
    ['/a%0d%0ab', 400],
    ['/a%20b/\xc3\xbc.txt', 400],
    ['/a#b', 400],
    ['dir/file.txt', 400],
    ['*', 400],
    ['ftp://site.test/', 400],
    ['http://user@site.test/', 400],
    ['http://other.test/', 400],
  ])('%s is refused or not found', async (target, status) => {
    const answer = await ask(edge.port, { target });
    expect(answer.status).toBe(status);
    expect(answer.header('cache-control')).toBe('no-store');
  });
});

test('a target longer than 8 KiB is 414', async () => {
  const answer = await ask(edge.port, { target: `/${'a'.repeat(8192)}` });
  expect(answer.status).toBe(414);
});

describe('repeated slashes collapse by redirect', () => {
  test.each([
    ['//', '/'],
    ['//evil.example', '/evil.example'],
    ['//evil.example/%2e%2e', '/'],
    ['/dir//file.txt?a=//b', '/dir/file.txt?a=//b'],
    ['///dir///file.txt', '/dir/file.txt'],
    ['/a//b%20c', '/a/b%20c'],
    ['/a//%22%3C', '/a/%22%3C'],
    ['/x/..//evil.example', '/evil.example'],
    ['http://site.test//evil.example', '/evil.example'],
  ])('%s', async (target, location) => {
    const answer = await ask(edge.port, { target });
    expect([answer.status, answer.header('location')]).toEqual([308, location]);
    expect(answer.header('cache-control')).toBe('public, max-age=0, must-revalidate');
    expect(answer.body.length).toBe(0);
  });
});

test('OPTIONS * is about the server', async () => {
  const answer = await ask(edge.port, { method: 'OPTIONS', target: '*' });
  expect([answer.status, answer.header('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
  expect(answer.header('content-length')).toBeUndefined();
});

test.each(['TRACE', 'CONNECT'])('%s is not implemented', async (method) => {
  const target = method === 'CONNECT' ? 'site.test:443' : '/';
  const answer = await ask(edge.port, { method, target });
  expect(answer.status).toBe(501);
});

test('a known host goes on while the control API fails', async () => {
  const clock = manualClock();
  const sites: Record<string, (typeof site)['record'] | 'failing'> = { 'site.test': site.record };
  const alone = await serveSites({ sites, objects: site.objects, clock });
  try {
    expect((await ask(alone.port, { target: '/' })).status).toBe(200);
    sites['site.test'] = 'failing';
    clock.advance(6 * 60_000);
    const stale = await ask(alone.port, { target: '/' });
    expect([stale.status, stale.text]).toEqual([200, '<h1>home</h1>']);
  } finally {
    await alone.close();
  }
});

test('an answer by a mapping that nobody could confirm says so', async () => {
  let isUnconfirmed = false;
  const alone = await serveSites({
    sites: { 'site.test': site.record },
    objects: site.objects,
    isUnconfirmed: () => isUnconfirmed,
  });
  try {
    await ask(alone.port, { target: '/' });
    expect((await ask(alone.port, { target: '/' })).header('cache-status')).toBe('origan-edge; hit');
    isUnconfirmed = true;
    const answer = await ask(alone.port, { target: '/' });
    expect(answer.header('cache-status')).toBe('origan-edge; hit; detail=last-known-good');
    const redirect = await ask(alone.port, { target: '//' });
    expect(redirect.header('cache-status')).toBe('origan-edge; detail=last-known-good');
    const missing = await ask(alone.port, { target: '/nothing/here.txt' });
    expect(missing.header('cache-status')).toBe('origan-edge; detail=NOT_FOUND+last-known-good');
  } finally {
    await alone.close();
  }
});

describe('a host is looked up', () => {
  test.each([
    ['site.test', '<h1>home</h1>'],
    ['SITE.Test', '<h1>home</h1>'],
    ['site.test.', '<h1>home</h1>'],
    ['site.test:80', '<h1>home</h1>'],
    ['site.test:443', '<h1>home</h1>'],
    ['site.test.:80', '<h1>home</h1>'],
    ['site.test:9999', '<h1>home</h1>'],
    ['site.test:8080', '<h1>other</h1>'],
    ['b\xc3\xbccher.test', '<h1>other</h1>'],
    ['any.wild.test', '<h1>wild</h1>'],
  ])('%s', async (host, text) => {
    const answer = await ask(edge.port, { host, target: '/' });
    expect([answer.status, answer.text]).toEqual([200, text]);
  });

  test.each([
    ['unknown.test', 404],
    ['wild.test', 404],
    ['a.b.wild.test', 404],
    ['broken.test', 503],
    ['', 400],
    ['b\xfccher.test', 400],
    ['site.test:0', 400],
    ['site.test:x', 400],
    ['site_.test/x', 400],
    ['a b.test', 400],
    ['-site.test', 400],
  ])('%s: %i', async (host, status) => {
    const answer = await ask(edge.port, { host, target: '/' });
    expect(answer.status).toBe(status);
    expect(answer.header('retry-after')).toBe(status === 503 ? '2' : undefined);
  });

  test('two Host headers are one too many', async () => {
    const answer = await ask(edge.port, { target: '/', headers: { host: 'site.test' } });
    expect(answer.status).toBe(400);
  });
});
