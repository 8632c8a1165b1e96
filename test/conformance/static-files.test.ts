import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { openRaw, type RawClient, type RawResponse } from '../support/raw-http.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';
import { waitUntil } from '../support/wait-until.ts';
import { casesFor } from './static/cases.ts';
import { expect as expectedOf, type Expected, type Request, type Resource } from './static/oracle.ts';
import { dated, madeHere, MAX_ENTRY_BYTES, objectKey, objects, record, resources } from './static/site.ts';

// Each answer is compared with an oracle that was written from the RFCs: status, every header, every byte.

let gateway: GatewayProcess;
let bucket: TempDir;
let count = 0;

beforeAll(async () => {
  bucket = await makeTempDir('conformance');
  gateway = await startGatewayProcess({
    runnerUrl: 'http://127.0.0.1:9',
    bucket: bucket.path,
    site: { record, objects },
    env: { STATIC_MAX_ENTRY_BYTES: String(MAX_ENTRY_BYTES), ACCESS_LOG: 'false' },
  });
  for (const resource of dated) {
    const { mtimeMs } = await stat(join(bucket.path, objectKey(resource)));
    resource.lastModified = new Date(mtimeMs).toUTCString();
  }
  await withClient(async (client) => {
    for (const resource of resources) await warm(client, resource);
  });
});

afterAll(async () => {
  await gateway.close();
  await bucket.remove();
});

describe.each(resources.map((resource) => [resource.name, resource] as const))('%s', (_name, resource) => {
  test('is answered as the RFCs say, whatever is asked', async () => {
    await withClient(async (client) => {
      for (const batch of batches(casesFor(resource), 32)) await check(client, resource, batch);
    });
  });
});

test('that were thousands of cases', () => {
  expect(count).toBeGreaterThan(10_000);
});

/** Sends the requests in one go and compares what comes back, in order. */
async function check(client: RawClient, resource: Resource, batch: readonly Request[]): Promise<void> {
  client.send(batch.map((request) => write(resource, request)).join(''));
  for (const request of batch) {
    const response = await client.response({ toHead: request.method === 'HEAD' });
    const wanted = flat(expectedOf(resource, request), request, response);
    expect(seen(response), describeCase(resource, request)).toEqual(wanted);
    count += 1;
  }
}

async function withClient(use: (client: RawClient) => Promise<void>): Promise<void> {
  const client = await openRaw(gateway.port);
  try {
    await use(client);
  } finally {
    client.close();
  }
}

/** The first requests for a file bring it into memory; what is encoded here is learnt, and must be what it claims. */
async function warm(client: RawClient, resource: Resource): Promise<void> {
  for (const coding of ['identity', 'br', 'zstd', 'gzip']) await get(client, resource, coding);
  if (!madeHere.includes(resource)) return;
  const decode = { br: brotliDecompressSync, zstd: zstdDecompressSync, gzip: gunzipSync };
  for (const coding of ['br', 'zstd', 'gzip'] as const) {
    let response = await get(client, resource, coding);
    await waitUntil(async () => {
      response = await get(client, resource, coding);
      return response.header('content-encoding') === coding;
    });
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
