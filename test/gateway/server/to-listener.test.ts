import { getRequestListener } from '@hono/node-server';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRaw } from '../../support/raw-http.ts';
import { HOST, startEdge, type TestEdge } from '../../support/start-edge.ts';

const { Request: ownRequest, Response: ownResponse } = globalThis;
let edge: TestEdge;

beforeAll(async () => {
  edge = await startEdge({ files: { '/404.html': 'no such page' }, functions: [] });
  // What any other server on this adapter does to the whole process, unless it is told not to.
  getRequestListener(() => new Response());
  expect(globalThis.Response).not.toBe(ownResponse);
});

afterAll(async () => {
  Object.defineProperty(globalThis, 'Request', { value: ownRequest });
  Object.defineProperty(globalThis, 'Response', { value: ownResponse });
  await edge.close();
});

test('HEAD keeps its connection, whatever another server has made of the global Response', async () => {
  const client = await openRaw(edge.port);
  const head = `HEAD /nothing HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
  const get = `GET /nothing HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
  client.send(head + get + head);
  expect((await client.response({ toHead: true })).status).toBe(404);
  expect((await client.response()).text).toBe('no such page');
  expect((await client.response({ toHead: true })).header('connection')).toBe('keep-alive');
  client.send(get);
  expect((await client.response()).text).toBe('no such page');
  client.close();
});
