import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

let edge: ServedSites;
let client: RawClient;
let count = 0;

beforeAll(async () => {
  edge = await serveSites({ sites: { [HOST]: record }, objects, maxEntryBytes: MAX_ENTRY_BYTES });
  client = await openRaw(edge.port);
  for (const resource of dated) {
    const head = await edge.store.head(objectKey(resource));
    resource.lastModified = new Date(head?.modifiedAtMs ?? 0).toUTCString();
  }
  for (const resource of resources) await warm(resource);
});

afterAll(async () => {
  client.close();
  await edge.close();
});

describe.each(resources.map((resource) => [resource.name, resource] as const))('%s', (_name, resource) => {
  test('is answered as the RFCs say, whatever is asked', async () => {
    const cases = casesFor(resource);
    for (const batch of batches(cases, 32)) {
      client.send(batch.map((request) => write(resource, request)).join(''));
      for (const request of batch) {
        const response = await client.response({ toHead: request.method === 'HEAD' });
        const wanted = expectedOf(resource, request);
        expect(seen(response), describeCase(resource, request)).toEqual(flat(wanted, request, response));
        count += 1;
      }
    }
  });
});

test('that were thousands of cases', () => {
  expect(count).toBeGreaterThan(10_000);
});

/** The first requests for a file bring it into memory; what is encoded here is learnt, and must be what it claims. */
async function warm(resource: Resource): Promise<void> {
  for (const coding of ['identity', 'br', 'zstd', 'gzip']) await get(resource, coding);
  await edge.edge.files.idle();
  if (!madeHere.includes(resource)) return;
  const decode = { br: brotliDecompressSync, zstd: zstdDecompressSync, gzip: gunzipSync };
  for (const coding of ['br', 'zstd', 'gzip'] as const) {
    const response = await get(resource, coding);
    expect(response.header('content-encoding'), coding).toBe(coding);
    expect(decode[coding](response.body).equals(resource.forms.identity), coding).toBe(true);
    resource.forms[coding] = response.body;
  }
}

function get(resource: Resource, coding: string): Promise<RawResponse> {
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
  return { status, headers: own.toSorted(), body: body.toString('latin1') };
}

function flat({ status, headers, body }: Expected, { method }: Request, response: RawResponse): unknown {
  const id = response.header('x-origan-request-id') ?? '(no request id)';
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(`${status} ${body.error}\n${body.text}\nRequest: ${id}\n`);
  const length = Buffer.isBuffer(body) ? {} : { 'content-length': String(bytes.length) };
  return {
    status,
    headers: Object.entries({ ...headers, ...length }).toSorted(),
    body: method === 'HEAD' || status === 304 ? '' : bytes.toString('latin1'),
  };
}

function describeCase({ path }: Resource, { method, headers }: Request): string {
  return `${method} ${path} ${JSON.stringify(headers)}`;
}

function batches<Item>(items: readonly Item[], size: number): Item[][] {
  const all: Item[][] = [];
  for (let index = 0; index < items.length; index += size) all.push(items.slice(index, index + size));
  return all;
}
