import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Manifest } from '../../../contracts/manifest.ts';
import { ask } from '../../support/ask.ts';
import { serveSites, siteOf, type ServedSites } from '../../support/serve-sites.ts';

const functionAt = (urlPath: string, more: object = {}): Manifest['resources'][number] => ({
  kind: 'dynamic',
  urlPath,
  resourcePath: `functions${urlPath.replaceAll(/[^a-z/]/g, '_')}.js`,
  ...more,
});

const site = siteOf(
  {
    '/index.html': 'home',
    '/about.html': 'about',
    '/docs/index.html': 'docs',
    '/docs/404.html': 'no such page of the docs',
    '/404.html': 'no such page',
    '/both.html': 'both, the page',
    '/both/index.html': 'both, the folder',
    '/assets/app.4f9a01bc.js': 'code',
    '/api/exact': 'a file in the way of a function',
    '/old-but-there': 'still here',
    '/forced-away': 'never seen',
  },
  {
    resources: [
      functionAt('/api/*'),
      functionAt('/api/users/:id', { methods: ['GET', 'post'] }),
      functionAt('/api/own', { headers: { 'X-Own': 'of the manifest' } }),
    ],
    redirects: [
      { from: '/old', to: '/about', status: 301 },
      { from: '/old-but-there', to: '/about', status: 302 },
      { from: '/forced-away', to: '/about', status: 307, force: true },
      { from: '/blog/:year/*', to: '/docs/:year/:splat', status: 302 },
      { from: '/away/*', to: 'https://elsewhere.example/:splat', status: 308 },
      { from: '/nice', to: '/about.html', status: 200 },
      { from: '/shop/*', to: '/index.html', status: 200 },
      { from: '/v1/*', to: '/api/v1/:splat?version=1', status: 200 },
      { from: '/lost', to: '/nowhere', status: 200 },
    ],
    headers: [{ for: '/api/*', set: [['X-Rule', 'applied']] }],
    headersOnFunctions: true,
  },
);

const app = siteOf(
  { '/index.html': 'the app', '/assets/app.4f9a01bc.js': 'code' },
  { notFound: 'spa' },
  'dep-2',
);
const legacy = siteOf({ '/index.html': 'the app', '/docs/index.html': 'docs' }, { html: 'off' }, 'dep-3');
const bare = siteOf(
  { '/file.txt': 'text' },
  { headers: [{ for: '/*', set: [['Cache-Control', 'max-age=9']] }] },
  'dep-4',
);
const ruled = siteOf(
  { '/index.html': 'the app', '/404.html': 'no such page' },
  {
    notFound: 'spa',
    headers: [
      {
        for: '/*',
        set: [
          ['Cache-Control', 'public, max-age=31536000, immutable'],
          ['X-Frame-Options', 'DENY'],
        ],
      },
    ],
  },
  'dep-5',
);

const D = 'deploy.test';
let edge: ServedSites;
let runner: Server;

beforeAll(async () => {
  runner = createServer((request, response) => {
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.end(`${request.method} ${request.url} by ${String(request.headers['x-origan-function-path'])}`);
  });
  await new Promise<void>((resolve) => runner.listen(0, '127.0.0.1', resolve));
  edge = await serveSites({
    runnerUrl: `http://127.0.0.1:${(runner.address() as AddressInfo).port}`,
    deployDomain: D,
    sites: {
      'site.test': site.record,
      'app.test': app.record,
      'legacy.test': legacy.record,
      'bare.test': bare.record,
      'ruled.test': ruled.record,
      [`abcdefghij.${D}`]: site.record,
      [`pr-12--abcdefghij.${D}`]: site.record,
      [`0a1b2c3d--abcdefghij.${D}`]: site.record,
    },
    objects: { ...site.objects, ...app.objects, ...legacy.objects, ...bare.objects, ...ruled.objects },
  });
});

afterAll(async () => {
  await edge.close();
  await new Promise((resolve) => runner.close(resolve));
});

const seen = async (target: string, more: object = {}): Promise<[number, string]> => {
  const answer = await ask(edge.port, { target, ...more });
  return [answer.status, answer.header('location') ?? answer.text];
};

test('no path is taken from a site for the edge itself', async () => {
  for (const target of ['/health', '/healthz', '/readyz', '/metrics', '/status']) {
    expect(await seen(target), target).toEqual([404, 'no such page']);
  }
});

describe('clean URLs', () => {
  test.each<[string, [number, string]]>([
    ['/', [200, 'home']],
    ['/index.html', [308, '/']],
    ['/index?x=1', [308, '/?x=1']],
    ['/about', [200, 'about']],
    ['/about.html?x=%20y', [308, '/about?x=%20y']],
    ['/about/', [308, '/about']],
    ['/docs/', [200, 'docs']],
    ['/docs', [308, '/docs/']],
    ['/docs/index', [308, '/docs/']],
    ['/both', [200, 'both, the page']],
    ['/both/', [200, 'both, the folder']],
  ])('%s', async (target, expected) => {
    expect(await seen(target)).toEqual(expected);
  });

  test('files are not posted to, wherever they are asked for', async () => {
    for (const target of ['/about', '/about.html', '/docs']) {
      const answer = await ask(edge.port, { method: 'POST', target });
      expect([answer.status, answer.header('allow')], target).toEqual([405, 'GET, HEAD, OPTIONS']);
      const options = await ask(edge.port, { method: 'OPTIONS', target });
      expect([options.status, options.header('allow')], target).toEqual([204, 'GET, HEAD, OPTIONS']);
    }
  });

  test('an old manifest serves the exact file, then the index, and redirects nothing', async () => {
    for (const target of ['/docs', '/docs/', '/docs/index.html']) {
      expect(await seen(target, { host: 'legacy.test' }), target).toEqual([200, 'docs']);
    }
  });
});

describe('redirects and rewrites', () => {
  test.each<[string, [number, string]]>([
    ['/old?x=1', [301, '/about?x=1']],
    ['/old-but-there', [200, 'still here']],
    ['/forced-away', [307, '/about']],
    ['/blog/2024/a/b%20c', [302, '/docs/2024/a/b%20c']],
    ['/away/x?y=1', [308, 'https://elsewhere.example/x?y=1']],
    ['/nice', [200, 'about']],
    ['/shop/cart', [200, 'home']],
    ['/shop/v1.2', [200, 'home']],
    ['/shop/logo.png', [404, 'no such page']],
    ['/lost', [404, 'no such page']],
  ])('%s', async (target, expected) => {
    expect(await seen(target)).toEqual(expected);
  });

  test.each([
    ['/shop/app.js', 200],
    ['/shop/app.d3adbeef.js', 404],
  ])('%s opened in the address bar: %i', async (target, status) => {
    expect((await seen(target, { headers: { 'sec-fetch-mode': 'navigate' } }))[0]).toBe(status);
  });

  test('a function sees the path and query that a request was rewritten to', async () => {
    const [status, text] = await seen('/v1/a%2Fb?x=1');
    expect(status).toBe(200);
    expect(text).toMatch(/^GET \/api\/v1\/a%2Fb\?version=1 by /);
  });

  test('a redirect keeps the method of what is posted', async () => {
    const answer = await ask(edge.port, {
      method: 'POST',
      target: '/away/x',
      headers: { 'content-length': '0' },
    });
    expect([answer.status, answer.header('location')]).toEqual([308, 'https://elsewhere.example/x']);
  });
});

describe('functions', () => {
  test('a file at the exact path wins', async () => {
    expect(await seen('/api/exact')).toEqual([200, 'a file in the way of a function']);
  });

  test.each([
    ['/api', '/api by .*functions/api/_'],
    ['/api/', '/api/ by .*functions/api/_'],
    ['/api/x/../y?q=1', '/api/y\\?q=1 by .*functions/api/_'],
    ['/api/users/7', '/api/users/7 by .*functions/api/users/_id'],
    ['/api/users/7/', '/api/users/7/ by .*functions/api/users/_id'],
  ])('%s', async (target, expected) => {
    const [status, text] = await seen(target);
    expect([status, text]).toEqual([200, expect.stringMatching(new RegExp(`^GET ${expected}`))]);
  });

  test('a less specific one answers the methods that the more specific does not', async () => {
    expect((await seen('/api/users/7', { method: 'DELETE' }))[1]).toMatch(/functions\/api\/_\.js$/);
  });

  test('get the headers of the manifest and, where the site opted in, of its rules', async () => {
    const answer = await ask(edge.port, { target: '/api/own' });
    expect(answer.header('x-rule')).toBe('applied');
    expect(answer.header('x-own')).toBe('of the manifest');
    expect(answer.all('set-cookie')).toEqual(['a=1', 'b=2']);
  });
});

describe('what nothing answers', () => {
  test('gets the nearest 404 page, never stored', async () => {
    for (const [target, text] of [
      ['/nope', 'no such page'],
      ['/docs/nope/deeper', 'no such page of the docs'],
      ['/docs/nope.js', 'no such page of the docs'],
      ['/assets/app.deadbeef.js', 'no such page'],
    ] as const) {
      const answer = await ask(edge.port, { target, headers: { 'if-none-match': '*', range: 'bytes=0-1' } });
      expect([answer.status, answer.text, answer.header('cache-control')], target).toEqual([
        404,
        text,
        'no-store',
      ]);
      expect(answer.header('etag')).toBeUndefined();
    }
  });

  test.each<[string, Record<string, string>, number]>([
    ['/deep/link', { accept: 'text/html,*/*' }, 200],
    ['/deep/link?x=1', { 'sec-fetch-mode': 'navigate' }, 200],
    ['/deep/link.with.dots', { 'sec-fetch-mode': 'navigate' }, 200],
    ['/deep/link.with.dots', { accept: 'text/html' }, 404],
    ['/deep/link', { 'sec-fetch-mode': 'cors', accept: 'text/html' }, 404],
    ['/deep/link', { accept: '*/*' }, 404],
    ['/deep/link', {}, 404],
    ['/assets/app.deadbeef.js', { accept: '*/*', 'sec-fetch-mode': 'no-cors' }, 404],
    ['/assets/app.deadbeef.js', { accept: 'text/html' }, 404],
    ['/assets/app.d3adbeef.js', { accept: 'text/html', 'sec-fetch-mode': 'navigate' }, 404],
    ['/orders/d3adbeef', { accept: 'text/html', 'sec-fetch-mode': 'navigate' }, 200],
    ['/orders/d3adbeef', { accept: 'text/html' }, 200],
    ['/blob/main/app.js', { accept: 'text/html', 'sec-fetch-mode': 'navigate' }, 200],
  ])('in a single-page application: %s %j', async (target, headers, status) => {
    const answer = await ask(edge.port, { host: 'app.test', target, headers });
    expect(answer.status).toBe(status);
    if (status === 404) expect(answer.header('cache-control')).toBe('no-store');
    else
      expect([answer.text, answer.header('cache-control')]).toEqual([
        'the app',
        'public, max-age=0, must-revalidate',
      ]);
  });

  test('the fallback carries the validators of the page', async () => {
    const headers = { accept: 'text/html' };
    const page = await ask(edge.port, { host: 'app.test', target: '/', headers });
    const etag = page.header('etag') ?? '';
    const again = await ask(edge.port, {
      host: 'app.test',
      target: '/deep',
      headers: { ...headers, 'if-none-match': etag },
    });
    expect([again.status, again.header('etag')]).toEqual([304, etag]);
  });

  test('a manifest that does not say is an application when it has an index and no 404 page', async () => {
    const headers = { accept: 'text/html' };
    expect(await seen('/deep', { host: 'legacy.test', headers })).toEqual([200, 'the app']);
    expect(await seen('/deep', { headers })).toEqual([404, 'no such page']);
  });

  test('posting to it is 404', async () => {
    expect(
      (await seen('/deep', { host: 'app.test', method: 'POST', headers: { accept: 'text/html' } }))[0],
    ).toBe(404);
  });

  test('rules about caching do not reach what stands in for something else', async () => {
    for (const [target, headers, expected] of [
      ['/deep', { accept: 'text/html' }, [200, 'public, max-age=0, must-revalidate', 'DENY']],
      ['/x.js', {}, [404, 'no-store', 'DENY']],
      ['/', {}, [200, 'public, max-age=31536000, immutable', 'DENY']],
    ] as const) {
      const answer = await ask(edge.port, { host: 'ruled.test', target, headers });
      const got = [answer.status, answer.header('cache-control'), answer.header('x-frame-options')];
      expect(got, target).toEqual(expected);
    }
  });
});

describe('the page of an error', () => {
  test.each([
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html; charset=utf-8'],
    ['application/json', 'application/json'],
    ['application/json, text/plain, */*', 'application/json'],
    ['text/html;q=0.1, application/json', 'application/json'],
    ['text/html;q=0, */*', 'text/plain; charset=utf-8'],
    ['*/*', 'text/plain; charset=utf-8'],
    ['image/avif', 'text/plain; charset=utf-8'],
    ['', 'text/plain; charset=utf-8'],
  ])('for Accept: %s is %s', async (accept, type) => {
    const answer = await ask(edge.port, { host: 'bare.test', target: '/nope<script>', headers: { accept } });
    expect([answer.status, answer.header('content-type')]).toEqual([404, type]);
    expect(answer.header('cache-control')).toBe('no-store');
    expect(answer.text).toContain('NOT_FOUND');
    expect(answer.text).toContain(answer.header('x-origan-request-id'));
    expect(answer.text).not.toContain('nope');
    expect(answer.text).not.toContain('bare.test');
  });

  test('goes without its body to HEAD', async () => {
    const answer = await ask(edge.port, { host: 'bare.test', method: 'HEAD', target: '/nope' });
    expect(answer.status).toBe(404);
    expect(Number(answer.header('content-length'))).toBeGreaterThan(10);
  });
});

describe('preview hosts', () => {
  test.each([`pr-12--abcdefghij.${D}`, `0a1b2c3d--abcdefghij.${D}`])(
    '%s is for nobody else',
    async (host) => {
      const page = await ask(edge.port, { host, target: '/' });
      expect(page.header('cache-control')).toBe('private, max-age=0, must-revalidate');
      const asset = await ask(edge.port, { host, target: '/assets/app.4f9a01bc.js' });
      expect(asset.header('cache-control')).toBe('private, max-age=31536000, immutable');
      const redirect = await ask(edge.port, { host, target: '/old' });
      expect(redirect.header('cache-control')).toBe('private, max-age=0, must-revalidate');
      const call = await ask(edge.port, { host, target: '/api/x' });
      for (const answer of [page, asset, redirect, call])
        expect(answer.header('x-robots-tag')).toBe('noindex');
    },
  );

  test.each(['site.test', `abcdefghij.${D}`])('%s is for everybody', async (host) => {
    const page = await ask(edge.port, { host, target: '/' });
    expect(page.header('cache-control')).toBe('public, max-age=0, must-revalidate');
    expect(page.header('x-robots-tag')).toBeUndefined();
  });
});
