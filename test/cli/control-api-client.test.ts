import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import {
  createControlApiClient,
  type ClientOptions,
  type ControlApiClient,
} from '../../cli/control-api-client.ts';
import { ApiRefusalError } from '../../cli/control-api-errors.ts';

const answer = z.object({ ok: z.boolean() });

type Listener = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

async function serve(listener: Listener): Promise<string> {
  const server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(apiUrl: string, options: Partial<ClientOptions> = {}): ControlApiClient {
  const created = createControlApiClient({ apiUrl, token: 'secret-token', ...options });
  onTestFinished(() => created.close());
  return created;
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const refusal = (code: string, message: string, more = {}): unknown => ({
  error: { code, message, requestId: 'r1', ...more },
});

async function failureOf(
  promise: Promise<unknown>,
): Promise<{ code: string; exitCode: number; message: string; hint: string }> {
  return promise.then(
    () => expect.fail('it should have failed'),
    (error: unknown) => error as { code: string; exitCode: number; message: string; hint: string },
  );
}

describe('call', () => {
  test('sends the token and JSON, and parses the answer', async () => {
    const seen: { headers: IncomingMessage['headers']; body: string }[] = [];
    const url = await serve(async (request, response) => {
      seen.push({ headers: request.headers, body: (await buffer(request)).toString() });
      reply(response, 200, { ok: true, extra: 1 });
    });
    const result = await client(url).call({ method: 'POST', path: '/v1/x', answer, body: { a: 1 } });
    expect(result).toEqual({ ok: true });
    expect(seen[0]?.headers).toMatchObject({
      authorization: 'Bearer secret-token',
      'content-type': 'application/json',
    });
    expect(seen[0]?.body).toBe('{"a":1}');
  });

  test.each([
    [400, 'BAD_REQUEST', 2],
    [401, 'UNAUTHORIZED', 4],
    [403, 'FORBIDDEN', 4],
    [404, 'NOT_FOUND', 5],
    [409, 'CONFLICT', 6],
    [422, 'BAD_REQUEST', 2],
    [500, 'INTERNAL', 1],
  ])('%i %s ends in exit code %i, at once', async (status, code, exitCode) => {
    let calls = 0;
    const url = await serve((_, response) => {
      calls += 1;
      reply(response, status, refusal(code, 'This is why.', { details: ['one', 'two'] }));
    });
    const failure = await failureOf(client(url).call({ method: 'GET', path: '/', answer }));
    expect(failure).toBeInstanceOf(ApiRefusalError);
    expect(failure).toMatchObject({ code, exitCode, message: 'This is why.\n  - one\n  - two' });
    expect(calls).toBe(1);
  });

  test('a failure that may pass is tried again', async () => {
    let calls = 0;
    const url = await serve((request, response) => {
      calls += 1;
      if (calls === 1) request.socket.destroy();
      else if (calls === 2) reply(response, 503, refusal('OVERLOADED', 'Later.'));
      else if (calls === 3) response.writeHead(502).end('<html>bad gateway</html>');
      else reply(response, 200, { ok: true });
    });
    expect(await client(url).call({ method: 'POST', path: '/', answer, body: {} })).toEqual({ ok: true });
    expect(calls).toBe(4);
  });

  test('nothing there: unreachable, with what to check', async () => {
    const failure = await failureOf(
      client('http://127.0.0.1:1', { retries: 1 }).call({ method: 'GET', path: '/', answer }),
    );
    expect(failure).toMatchObject({ code: 'UNREACHABLE', exitCode: 3 });
    expect(failure.message).toBe(
      'The control API at http://127.0.0.1:1 could not be reached: connection refused.',
    );
    expect(failure.hint).toContain('ORIGAN_API_URL');
  });

  test('no such host, and a server that never answers', async () => {
    const absent = client('http://no-such-host.invalid', { retries: 0 });
    expect((await failureOf(absent.call({ method: 'GET', path: '/', answer }))).message).toMatch(
      /there is no such host|could not be looked up/,
    );
    const silent = client(await serve(() => undefined), { retries: 0 });
    const failure = await failureOf(silent.call({ method: 'GET', path: '/', answer, timeoutMs: 50 }));
    expect(failure.message).toContain('did not answer in time');
  });

  test.each([
    ['a web page', 200, '<html></html>', 'the answer is not JSON'],
    ['another shape', 200, '{"no":1}', 'another shape than expected'],
    ['an error page', 404, '<html></html>', 'it answered 404 without an error of its own'],
    ['a redirect', 302, '', 'it answered 302'],
  ])('%s is no control API', async (_, status, body, message) => {
    const url = await serve((__, response) => void response.writeHead(status).end(body));
    const failure = await failureOf(client(url, { retries: 0 }).call({ method: 'GET', path: '/', answer }));
    expect(failure).toMatchObject({ exitCode: 3 });
    expect(failure.message).toContain(message);
  });

  test('an interrupt ends the call and the waiting between attempts', async () => {
    const controller = new AbortController();
    const url = await serve(() => controller.abort());
    const failure = await failureOf(
      client(url).call({ method: 'GET', path: '/', answer, signal: controller.signal }),
    );
    expect(failure.code).toBe('INTERRUPTED');
  });

  test('no message shows the token', async () => {
    const failure = await failureOf(
      client('http://127.0.0.1:1', { retries: 0 }).call({ method: 'GET', path: '/', answer }),
    );
    expect(JSON.stringify([failure, failure.message])).not.toContain('secret-token');
  });
});

describe('upload', () => {
  const bytes = Buffer.alloc(300_000, 'x');

  test('sends the length and the bytes, and reads from the beginning when tried again', async () => {
    const received: Buffer[] = [];
    const lengths: unknown[] = [];
    const url = await serve(async (request, response) => {
      lengths.push(request.headers['content-length']);
      if (lengths.length === 1) {
        request.once('data', () => request.socket.destroy());
        return;
      }
      received.push(await buffer(request));
      reply(response, 201, {});
    });
    let opened = 0;
    const open = (): Readable => {
      opened += 1;
      return Readable.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)]);
    };
    await client(url).upload({ path: '/o', size: bytes.length, open });
    expect([opened, lengths, received[0]?.equals(bytes)]).toEqual([2, ['300000', '300000'], true]);
  });

  test('a server that stops reading is given up', async () => {
    const url = await serve((request) => void request.pause());
    const endless = (): Readable =>
      new Readable({
        read() {
          this.push(Buffer.alloc(65_536));
        },
      });
    const idle = client(url, { retries: 0, idleTimeoutMs: 200 });
    const failure = await failureOf(idle.upload({ path: '/o', size: 1024 ** 3, open: endless }));
    expect(failure.message).toContain('did not answer in time');
  });

  test('a refusal is not tried again', async () => {
    let calls = 0;
    const url = await serve(async (request, response) => {
      calls += 1;
      await buffer(request);
      reply(response, 422, refusal('BAD_REQUEST', 'The bytes have another hash.'));
    });
    const failure = await failureOf(
      client(url).upload({ path: '/o', size: 3, open: () => Buffer.from('abc') }),
    );
    expect([failure.message, calls]).toEqual(['The bytes have another hash.', 1]);
  });
});
