import { createHash } from 'node:crypto';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CompiledSite } from '../../gateway/site/compile-site.ts';
import { openRaw, type RawClient, type RawResponse } from '../support/raw-http.ts';
import { serveSites, type ServedSites } from '../support/serve-sites.ts';
import { casesFor } from './static/cases.ts';
import { expect as expectedOf, type Expected, type Request, type Resource } from './static/oracle.ts';
import {
  dated,
  HOST,
  madeHere,
  MAX_ENTRY_BYTES,
  objectKey,
  objects,
  record,
  resources,
} from './static/site.ts';

// Each answer is compared with an oracle that was written from the RFCs: status, every header, every byte.

const TIMEOUT_MS = 20_000;

let edge: ServedSites;
let site: CompiledSite;
let count = 0;
let fromMemoryCount = 0;

beforeAll(async () => {
  edge = await serveSites({
    sites: { [HOST]: record },
    objects,
    maxEntryBytes: MAX_ENTRY_BYTES,
    hasShortWay: false,
  });
  for (const resource of dated) {
    const head = await edge.store.head(objectKey(resource));
    resource.lastModified = new Date(head?.modifiedAtMs ?? 0).toUTCString();
  }
  await withClient(async (client) => {
    for (const resource of resources) await warm(client, resource);
    const [first] = resources as [Resource];
    const visible = await get(client, first, 'identity').then(() => edge.edge.sites.peek(HOST));
    if (visible === undefined) throw new Error('the site is not in memory after a request for it');
    site = visible;
  });
}, TIMEOUT_MS);

afterAll(async () => {
  await edge.close();
});

describe.each(resources.map((resource) => [resource.name, resource] as const))('%s', (_name, resource) => {
  test(
    'is answered as the RFCs say, whatever is asked',
    async () => {
      await withClient(async (client) => {
        for (const batch of batches(casesFor(resource), 32)) await check(client, resource, batch);
      });
    },
    TIMEOUT_MS,
  );
});

test('that were thousands of cases', () => {
  expect(count).toBeGreaterThan(10_000);
  expect(fromMemoryCount).toBeGreaterThan(200);
});

/** Sends the requests in one go and compares what comes back, in order. */
async function check(client: RawClient, resource: Resource, batch: readonly Request[]): Promise<void> {
  client.send(batch.map((request) => write(resource, request)).join(''));
  for (const request of batch) {
    const response = await client.response({ toHead: request.method === 'HEAD' });
    const wanted = flat(expectedOf(resource, request), request, response);
    expect(seen(response), describeCase(resource, request)).toEqual(wanted);
    count += 1;
    const ready = fromMemory(resource, request);
    if (ready === undefined) continue;
    expect(ready, `from memory: ${describeCase(resource, request)}`).toEqual(wanted);
    fromMemoryCount += 1;
  }
}

/** What the short way from memory would answer, where it answers at all. */
function fromMemory({ path }: Resource, { method, headers }: Request): unknown {
  const url = encodeURI(path);
  const answer = edge.edge.files.fromMemory(site, { id: 'id', method, url, headers });
  if (answer === undefined) return undefined;
  const { status, headers: sent, body } = answer;
  const pairs = Array.from({ length: sent.length / 2 }, (_, index): [string, string] => [
    sent[index * 2]?.toLowerCase() ?? '',
    sent[index * 2 + 1] ?? '',
  ]);
  const bytes = Buffer.isBuffer(body) && method !== 'HEAD' ? body : Buffer.alloc(0);
  const own = pairs.filter(([name]) => name !== 'x-origan-request-id');
  return { status, headers: sorted(own), body: shown(bytes) };
}

async function withClient(use: (client: RawClient) => Promise<void>): Promise<void> {
  const client = await openRaw(edge.port);
  try {
    await use(client);
  } finally {
    client.close();
  }
}

/** The first requests for a file bring it into memory; what is encoded here is learnt, and must be what it claims. */
async function warm(client: RawClient, resource: Resource): Promise<void> {
  for (const coding of ['identity', 'br', 'zstd', 'gzip']) await get(client, resource, coding);
  await edge.edge.files.idle();
  if (!madeHere.includes(resource)) return;
  const decode = { br: brotliDecompressSync, zstd: zstdDecompressSync, gzip: gunzipSync };
  for (const coding of ['br', 'zstd', 'gzip'] as const) {
    const response = await get(client, resource, coding);
    expect(response.header('content-encoding'), coding).toBe(coding);
    expect(decode[coding](response.body).equals(resource.forms.identity), coding).toBe(true);
    resource.forms[coding] = response.body;
  }
}

function get(client: RawClient, resource: Resource, coding: string): Promise<RawResponse> {
  client.send(write(resource, { method: 'GET', headers: { 'accept-encoding': coding } }));
  return client.response();
}

function write({ path }: Resource, { method, headers }: Request): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${encodeURI(path)} HTTP/1.1\r\nHost: ${HOST}\r\n${lines.join('')}\r\n`;
}

const BY_THE_SERVER = new Set(['date', 'connection', 'keep-alive', 'x-origan-request-id']);

function seen({ status, headers, body }: RawResponse): unknown {
  const own = headers.filter(([name]) => !BY_THE_SERVER.has(name));
  return { status, headers: sorted(own), body: shown(body) };
}

function flat({ status, headers, body }: Expected, { method }: Request, response: RawResponse): unknown {
  const id = response.header('x-origan-request-id') ?? '(no request id)';
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(`${status} ${body.error}\n${body.text}\nRequest: ${id}\n`);
  const length = Buffer.isBuffer(body) ? {} : { 'content-length': String(bytes.length) };
  return {
    status,
    headers: sorted(Object.entries({ ...headers, ...length })),
    body: shown(method === 'HEAD' || status === 304 ? Buffer.alloc(0) : bytes),
  };
}

function sorted(headers: readonly (readonly [string, string])[]): string[] {
  return headers.map(([name, value]) => `${name}: ${value}`).toSorted();
}

/** Short bytes as text, long ones by their hash: a difference has to be readable. */
function shown(bytes: Buffer): string {
  if (bytes.length <= 100) return bytes.toString('latin1');
  return `${bytes.length} bytes, sha256 ${createHash('sha256').update(bytes).digest('hex')}`;
}

function describeCase({ path }: Resource, { method, headers }: Request): string {
  return `${method} ${path} ${JSON.stringify(headers)}`;
}

function batches<Item>(items: readonly Item[], size: number): Item[][] {
  const all: Item[][] = [];
  for (let index = 0; index < items.length; index += size) all.push(items.slice(index, index + size));
  return all;
}
