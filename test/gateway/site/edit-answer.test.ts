import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../support/ask.ts';
import { serveSites, siteOf, type ServedSites } from '../../support/serve-sites.ts';

const site = siteOf(
  { '/data.json': '{}', '/about.html': 'about' },
  {
    html: 'auto',
    notFound: '404',
    resources: [
      { kind: 'dynamic', urlPath: '/call', resourcePath: 'call.js', methods: ['GET'] },
      { kind: 'dynamic', urlPath: '/any', resourcePath: 'any.js' },
      {
        kind: 'dynamic',
        urlPath: '/lines',
        resourcePath: 'lines.js',
        headers: { 'Cache-Control': 'no-store', Link: '</own>; rel=preload' },
      },
    ],
    redirects: [{ from: '/old', to: '/about', status: 301 }],
    headers: [
      {
        for: '/*',
        set: [
          ['X-Frame-Options', 'DENY'],
          ['Cache-Control', 'public, max-age=31536000, immutable'],
          ['CDN-Cache-Control', 'max-age=60'],
          ['Expires', 'Thu, 01 Jan 2099 00:00:00 GMT'],
          ['Content-Type', 'text/x-wrong'],
          ['Content-Disposition', 'attachment'],
          ['Location', 'https://elsewhere.example/'],
          ['Allow', 'BREW'],
          ['Retry-After', '99'],
        ],
      },
      {
        for: '/data.json',
        set: [
          ['Access-Control-Allow-Origin', '*'],
          ['Access-Control-Allow-Headers', 'x-custom'],
          ['Vary', 'Origin'],
        ],
      },
    ],
  },
);

let edge: ServedSites;
let runner: Server;

beforeAll(async () => {
  runner = createServer((request, response) => {
    response.setHeader('Cache-Control', ['public', 'max-age=60']);
    response.setHeader('Link', ['</a>; rel=preload', '</b>; rel=preload', '</c>; rel=preload']);
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.end(`hops: ${String(request.headers['max-forwards'])}`);
  });
  await new Promise<void>((resolve) => runner.listen(0, '127.0.0.1', resolve));
  edge = await serveSites({
    sites: { 'site.test': site.record },
    objects: site.objects,
    runnerUrl: `http://127.0.0.1:${(runner.address() as AddressInfo).port}`,
  });
});

afterAll(async () => {
  await edge.close();
  await new Promise((resolve) => runner.close(resolve));
});

test('what the manifest sets for a function is in place of every line that it sent', async () => {
  const answer = await ask(edge.port, { target: '/lines' });
  expect(answer.all('cache-control')).toEqual(['no-store']);
  expect(answer.all('link')).toEqual(['</own>; rel=preload']);
  expect(answer.all('set-cookie')).toEqual(['a=1', 'b=2']);
});

test.each<[string, string, Record<string, string>, [number, string, string | undefined]]>([
  ['OPTIONS', '/any', { 'max-forwards': '3' }, [200, 'hops: 2', undefined]],
  ['OPTIONS', '/any', {}, [200, 'hops: undefined', undefined]],
  ['OPTIONS', '/any', { 'max-forwards': 'x' }, [200, 'hops: x', undefined]],
  ['OPTIONS', '/any', { 'max-forwards': '0' }, [204, '', 'GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE']],
  ['GET', '/any', { 'max-forwards': '0' }, [200, 'hops: 0', undefined]],
])('%s %s with %j: Max-Forwards counts for OPTIONS', async (method, target, headers, expected) => {
  const answer = await ask(edge.port, { method, target, headers });
  expect([answer.status, answer.text, answer.header('allow')]).toEqual(expected);
});

test('another site may ask for a file: what CORS needs is in the answer to OPTIONS', async () => {
  const answer = await ask(edge.port, {
    method: 'OPTIONS',
    target: '/data.json',
    headers: { origin: 'https://other.example', 'access-control-request-headers': 'x-custom' },
  });
  expect(answer.status).toBe(204);
  expect(answer.header('allow')).toBe('GET, HEAD, OPTIONS');
  expect(answer.header('access-control-allow-origin')).toBe('*');
  expect(answer.header('access-control-allow-headers')).toBe('x-custom');
  expect(answer.header('vary')).toBe('Origin');
});

type Seen = { status: number; more?: Record<string, string> };

test.each<[string, string, Record<string, string>, Seen]>([
  ['GET', '/old', {}, { status: 301, more: { location: '/about' } }],
  ['GET', '/about.html', {}, { status: 308, more: { location: '/about' } }],
  ['GET', '//about', {}, { status: 308, more: { location: '/about' } }],
  ['POST', '/about', {}, { status: 405, more: { allow: 'GET, HEAD, OPTIONS' } }],
  ['POST', '/call', {}, { status: 405, more: { allow: 'GET, HEAD' } }],
  ['GET', '/nothing', {}, { status: 404 }],
  [
    'GET',
    '/about',
    { 'accept-encoding': 'identity;q=0' },
    { status: 406, more: { vary: 'Accept-Encoding' } },
  ],
  ['GET', '/data.json', { 'if-match': '"no"' }, { status: 412, more: { vary: 'Origin' } }],
  ['GET', '/data.json', { range: 'bytes=9-' }, { status: 416, more: { 'content-range': 'bytes */2' } }],
])(
  'rules mean the answer to %s %s %j too, but not what it says itself',
  async (method, target, headers, seen) => {
    const answer = await ask(edge.port, { method, target, headers });
    expect(answer.status).toBe(seen.status);
    expect(answer.header('x-frame-options')).toBe('DENY');
    expect(answer.header('cache-control')).not.toContain('immutable');
    for (const name of ['cdn-cache-control', 'expires', 'retry-after', 'content-disposition'])
      expect(answer.header(name), name).toBeUndefined();
    expect(answer.header('content-type')).toBe(answer.status < 400 ? undefined : 'text/plain; charset=utf-8');
    expect(answer.header('location')).toBe(seen.more?.['location']);
    expect(answer.header('allow')).toBe(seen.more?.['allow']);
    for (const [name, value] of Object.entries(seen.more ?? {})) expect(answer.header(name)).toBe(value);
  },
);

test('OPTIONS * is about the server, whatever its sites set', async () => {
  const answer = await ask(edge.port, { method: 'OPTIONS', target: '*' });
  expect([answer.status, answer.header('x-frame-options')]).toEqual([204, undefined]);
});
