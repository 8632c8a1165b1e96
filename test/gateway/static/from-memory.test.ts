import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CompiledSite } from '../../../gateway/site/compile-site.ts';
import { casesFor } from '../../conformance/static/cases.ts';
import type { Request, Resource } from '../../conformance/static/oracle.ts';
import { MAX_ENTRY_BYTES, objects, record, resources } from '../../conformance/static/site.ts';
import { openRaw, type RawClient } from '../../support/raw-http.ts';
import { serveSites, type ServedSites } from '../../support/serve-sites.ts';

// The short way from memory has to answer what the ordinary way answers, or nothing.

const HOST = 'site.test';

let edge: ServedSites;
let client: RawClient;
let site: CompiledSite;

beforeAll(async () => {
  edge = await serveSites({
    sites: { [HOST]: record },
    objects,
    maxEntryBytes: MAX_ENTRY_BYTES,
    hasShortWay: false,
  });
  client = await openRaw(edge.port);
  for (const resource of resources) await bringIntoMemory(resource);
  const [first] = resources as [Resource];
  await send(first, { method: 'GET', headers: {} });
  const visible = edge.edge.sites.peek(HOST);
  if (visible === undefined) throw new Error('the site is not in memory after a request for it');
  site = visible;
});

afterAll(async () => {
  client.close();
  await edge.close();
});

let answered = 0;

describe.each(resources.map((resource) => [resource.name, resource] as const))('%s', (_name, resource) => {
  test('is answered alike', async () => {
    for (const request of casesFor(resource)) {
      const short = fromMemory(resource, request);
      if (short === undefined) continue;
      const { status, headers, body } = await send(resource, request);
      const own = headers.filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name));
      const ordinary = { status, headers: own.map(line).map(withoutId), body: body.toString('latin1') };
      expect(short, `${request.method} ${JSON.stringify(request.headers)}`).toEqual(ordinary);
      answered += 1;
    }
  });
});

test('the short way answers whatever is plain', () => {
  expect(answered).toBeGreaterThan(200);
  const [page] = resources as [Resource];
  const plain: Request[] = [
    { method: 'GET', headers: {} },
    { method: 'HEAD', headers: { 'accept-encoding': 'gzip, deflate, br, zstd' } },
    { method: 'GET', headers: { 'accept-encoding': 'identity', cookie: 'session=1', accept: 'text/html' } },
  ];
  for (const request of plain) expect(fromMemory(page, request)?.status).toBe(200);
});

test.each<[string, Request]>([
  ['another method', { method: 'POST', headers: {} }],
  ['a range', { method: 'GET', headers: { range: 'bytes=0-1' } }],
  [
    'a condition on a date',
    { method: 'GET', headers: { 'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' } },
  ],
  ['If-Match', { method: 'GET', headers: { 'if-match': '*' } }],
  ['a list of tags', { method: 'GET', headers: { 'if-none-match': '"a", "b"' } }],
  ['a pin to another build', { method: 'GET', headers: { 'x-deployment-id': 'another' } }],
  [
    'a pinning cookie of another build',
    { method: 'GET', headers: { cookie: '__origan_deployment=another' } },
  ],
  ['nothing acceptable', { method: 'GET', headers: { 'accept-encoding': '*;q=0' } }],
])('%s is left to the ordinary way', (_name, request) => {
  const [page] = resources as [Resource];
  expect(fromMemory(page, request)).toBeUndefined();
});

test('what left memory is left to the ordinary way', async () => {
  const [page] = resources as [Resource];
  const small = await serveSites({ sites: { [HOST]: record }, objects, cacheBytes: 1 });
  try {
    const other = await openRaw(small.port);
    other.send(`GET ${page.path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    expect((await other.response()).status).toBe(200);
    other.close();
    const shown = small.edge.sites.peek(HOST);
    const request = { id: 'id', method: 'GET', url: page.path, headers: {} };
    expect(shown && small.edge.files.fromMemory(shown, request)).toBeUndefined();
  } finally {
    await small.close();
  }
});

function fromMemory(
  { path }: Resource,
  { method, headers }: Request,
): { status: number; headers: string[]; body: string } | undefined {
  const url = encodeURI(path);
  const answer = edge.edge.files.fromMemory(site, { id: 'id', method, url, headers });
  if (answer === undefined) return undefined;
  const [, ...fields] = answer.head.trimEnd().split('\r\n');
  const lines = fields.map((field) => field.replace(/^[^:]*/, (name) => name.toLowerCase()));
  const body = answer.body?.toString('latin1') ?? '';
  return { status: answer.status, headers: lines.map(withoutId), body };
}

function line([name, value]: readonly [string, string]): string {
  return `${name}: ${value}`;
}

function withoutId(header: string): string {
  return header.startsWith('x-origan-request-id: ') ? 'x-origan-request-id: (its own)' : header;
}

async function bringIntoMemory(resource: Resource): Promise<void> {
  const codings = ['identity', 'br', 'zstd', 'gzip'];
  for (let round = 0; round < 2; round += 1) {
    for (const coding of codings)
      await send(resource, { method: 'GET', headers: { 'accept-encoding': coding } });
    await edge.edge.files.idle();
  }
}

function send({ path }: Resource, { method, headers }: Request): ReturnType<RawClient['response']> {
  const lines = Object.entries(headers).map((header) => `${line(header)}\r\n`);
  client.send(`${method} ${encodeURI(path)} HTTP/1.1\r\nHost: ${HOST}\r\n${lines.join('')}\r\n`);
  return client.response({ toHead: method === 'HEAD' });
}
