import { afterEach, expect, test } from 'vitest';
import { SIGNATURE_HEADER, SIGNED_HEADERS } from '../../runner-client/contract.ts';
import { signHeaders, verifySignature } from '../../runner-client/signature.ts';
import { startHeadKeeper } from '../support/socket-server.ts';
import { closeClients, makeCall, makeClient } from './make-call.ts';

afterEach(closeClients);

const SECRET = 'a secret of sixteen characters or more';
const NOW = 1_700_000_000_000;
const HEADERS: Record<string, string> = Object.fromEntries(
  SIGNED_HEADERS.map((name, index) => [name, `value${index}`]),
);
const read = (headers: Record<string, string>) => (name: string) => headers[name];

test('a signature holds for its headers, its secret and about a minute', () => {
  const signature = signHeaders(SECRET, read(HEADERS), NOW);
  expect(verifySignature(SECRET, read(HEADERS), signature, NOW)).toBe('valid');
  expect(verifySignature(SECRET, read(HEADERS), signature, NOW + 60_000)).toBe('valid');
  expect(verifySignature(SECRET, read(HEADERS), signature, NOW - 60_000)).toBe('valid');
  expect(verifySignature(SECRET, read(HEADERS), signature, NOW + 60_001)).toBe('stale');
  expect(verifySignature(SECRET, read(HEADERS), signature, NOW - 60_001)).toBe('stale');
  expect(verifySignature(`${SECRET}!`, read(HEADERS), signature, NOW)).toBe('wrong');
});

test.each(SIGNED_HEADERS)('%s cannot be changed, taken away or added', (name) => {
  const signature = signHeaders(SECRET, read(HEADERS), NOW);
  const { [name]: _left, ...without } = HEADERS;
  expect(verifySignature(SECRET, read({ ...HEADERS, [name]: 'other' }), signature, NOW)).toBe('wrong');
  expect(verifySignature(SECRET, read(without), signature, NOW)).toBe('wrong');
  expect(verifySignature(SECRET, read(HEADERS), signHeaders(SECRET, read(without), NOW), NOW)).toBe('wrong');
});

test('a value cannot be moved into the next header', () => {
  const [first = '', second = ''] = SIGNED_HEADERS;
  const one = { [first]: `a\n${second}:1:b` };
  const two = { [first]: 'a', [second]: 'b' };
  expect(signHeaders(SECRET, read(one), NOW)).not.toBe(signHeaders(SECRET, read(two), NOW));
});

test.each([
  [undefined, 'missing'],
  ['', 'malformed'],
  ['t=1,v1=zz', 'malformed'],
  [`t=,v1=${'0'.repeat(64)}`, 'malformed'],
  [`t=${NOW},v1=${'0'.repeat(64)}`, 'wrong'],
  [`t=${NOW},v1=${'0'.repeat(64)},v1=${'0'.repeat(64)}`, 'malformed'],
])('%j is %s', (given, verdict) => {
  expect(verifySignature(SECRET, read(HEADERS), given, NOW)).toBe(verdict);
});

test('the client signs what it sends', async () => {
  const server = await startHeadKeeper('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
  const client = makeClient(server.url, { RUNNER_SHARED_SECRET: SECRET });
  const reply = await client.call(makeCall({ metadata: 'bWV0YQ', functionHash: 'b'.repeat(64) }));
  reply.body.resume();
  await server.close();
  const fields = new Map(
    server
      .head()
      .split('\r\n')
      .slice(1)
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  const verdict = verifySignature(
    SECRET,
    (name) => fields.get(name),
    fields.get(SIGNATURE_HEADER),
    Date.now(),
  );
  expect(verdict).toBe('valid');
});
