import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../support/ask.ts';
import { serveSites, siteOf, type ServedSites } from '../../support/serve-sites.ts';

const site = siteOf(
  { '/data.json': '{}', '/about.html': 'about' },
  {
    html: 'auto',
    notFound: '404',
    resources: [{ kind: 'dynamic', urlPath: '/call', resourcePath: 'call.js', methods: ['GET'] }],
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

beforeAll(async () => {
  edge = await serveSites({ sites: { 'site.test': site.record }, objects: site.objects });
});

afterAll(() => edge.close());

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
