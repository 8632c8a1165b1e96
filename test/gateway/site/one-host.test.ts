import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../support/ask.ts';
import { serveSites, siteOf, type ServedSites } from '../../support/serve-sites.ts';

// A site under two names, of which one is to be seen: its rule applies at both.

const site = siteOf(
  { '/index.html': 'home', '/a.html': 'a' },
  {
    redirects: [
      { from: '/secure/*', to: 'https://www.site.test/secure/:splat', status: 301, force: true },
      { from: '/*', to: 'http://WWW.site.test:80/:splat', status: 301, force: true },
    ],
  },
);

let edge: ServedSites;

beforeAll(async () => {
  edge = await serveSites({
    sites: { 'site.test': site.record, 'www.site.test': site.record },
    objects: site.objects,
    trustedProxies: ['127.0.0.1'],
  });
});

afterAll(() => edge.close());

test.each<[string, string, Record<string, string>, [number, string]]>([
  ['site.test', '/', {}, [301, 'http://WWW.site.test:80/']],
  ['site.test', '/a?x=1', {}, [301, 'http://WWW.site.test:80/a?x=1']],
  ['www.site.test', '/', {}, [200, 'home']],
  ['www.site.test', '/a?x=1', {}, [200, 'a']],
  ['WWW.site.test.:80', '/a', {}, [200, 'a']],
  ['www.site.test', '/a', { 'x-forwarded-proto': 'https' }, [301, 'http://WWW.site.test:80/a']],
  ['www.site.test', '/secure/x', {}, [301, 'https://www.site.test/secure/x']],
  ['site.test', '/a', { 'x-forwarded-host': 'www.site.test' }, [200, 'a']],
])('%s%s %j', async (host, target, headers, expected) => {
  for (let round = 0; round < 2; round += 1) {
    const answer = await ask(edge.port, { host, target, headers });
    expect([answer.status, answer.header('location') ?? answer.text]).toEqual(expected);
  }
});

test('a rule that leads to the URL that was asked for gives way to the next', async () => {
  const headers = { 'x-forwarded-proto': 'https' };
  const answer = await ask(edge.port, { host: 'www.site.test', target: '/secure/x', headers });
  expect([answer.status, answer.header('location')]).toEqual([301, 'http://WWW.site.test:80/secure/x']);
});
