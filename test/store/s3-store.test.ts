import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../core/log.ts';
import type { S3Config } from '../../store/config.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { openStore } from '../../store/open-store.ts';
import { startChaosProxy, type ChaosProxy } from '../support/chaos-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { startS3Server, type S3Server } from '../support/s3-server.ts';

const BIG = randomBytes(3 * 1024 * 1024);

let server: S3Server;
let proxy: ChaosProxy;
const opened: ObjectStore[] = [];

/** A store that reaches the server through the proxy; each has connections of its own. */
function open(changes: Partial<S3Config> = {}): ObjectStore {
  const endpoint = `http://127.0.0.1:${proxy.port}`;
  const store = openStore({ ...server.config, endpoint, ...changes }, { log: silentLogger() });
  opened.push(store);
  return store;
}

async function failureOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected a failure');
}

beforeAll(async () => {
  server = await startS3Server();
  proxy = await startChaosProxy(Number(new URL(server.endpoint).port));
  const store = open();
  await store.put('big', BIG);
  await store.put('small', Buffer.from('small'));
});
afterEach(async () => {
  proxy.set({ kind: 'pass' });
  for (const store of opened.splice(0)) await store.close();
});
afterAll(async () => {
  await proxy.close();
  await server.close();
});

describe('check', () => {
  test.each<[string, Partial<S3Config>, RegExp]>([
    [
      'an unknown access key',
      { accessKey: 'someone-else' },
      /does not know the access key: check BUCKET_ACCESS_KEY/,
    ],
    ['a wrong secret', { secretKey: 'not-the-secret' }, /refuses the signature: check BUCKET_SECRET_KEY/],
    [
      'a missing bucket',
      { bucket: 'no-such-bucket' },
      /no bucket "no-such-bucket" at .*: create it, or set BUCKET_NAME/,
    ],
  ])('says what to mend about %s', async (_, changes, message) => {
    const failure = await failureOf(open(changes).check());
    expect(failure.code).toBe('BUCKET_FAILED');
    expect(failure.message).toMatch(message);
  });

  test('says what to mend about an endpoint where nothing listens', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const failure = await failureOf(open({ endpoint }).check());
    expect(failure.message).toContain(`cannot reach ${endpoint}: is it running, and is BUCKET_URL right?`);
  });

  test('says what to mend about an endpoint that is no S3 server', async () => {
    const { createServer } = await import('node:http');
    const web = createServer((_, response) => response.writeHead(200).end('<html><body>hello</body>'));
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const { port } = web.address() as { port: number };
    const failure = await failureOf(open({ endpoint: `http://127.0.0.1:${port}` }).check());
    expect(failure.message).toMatch(/does not answer as an S3 server should: check BUCKET_URL/);
    await new Promise((resolve) => web.close(resolve));
  });

  test('does not wait for ever for an endpoint that says nothing', async () => {
    proxy.set({ kind: 'deaf' });
    const failure = await failureOf(open({ firstByteTimeoutMs: 50, maxAttempts: 2 }).check());
    expect(failure.message).toMatch(/cannot reach .*: is it running/);
  });
});

describe('failures', () => {
  test('a missing bucket is not a missing object', async () => {
    const store = open({ bucket: 'no-such-bucket' });
    await expect(store.get('small')).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
    await expect(store.read('small', { maxBytes: 10 })).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
  });

  test('a refused key is a failure of every call', async () => {
    const store = open({ secretKey: 'not-the-secret' });
    const failed = { code: 'BUCKET_FAILED' };
    await expect(store.get('small')).rejects.toMatchObject(failed);
    await expect(store.get('absent')).rejects.toMatchObject(failed);
    await expect(store.head('absent')).rejects.toMatchObject(failed);
    await expect(store.put('x', Buffer.from('x'))).rejects.toMatchObject(failed);
    await expect(store.put('x', Readable.from(['x']), { size: 1 })).rejects.toMatchObject(failed);
    await expect(store.delete(['x'])).rejects.toMatchObject(failed);
    const listing = (async (): Promise<void> => {
      for await (const entry of store.list('x')) expect(entry).toBeUndefined();
    })();
    await expect(listing).rejects.toMatchObject(failed);
  });

  test('no error tells the credentials', async () => {
    const secrets = { accessKey: 'AKIA-visible-id', secretKey: 'very-secret-value' };
    for (const store of [open(secrets), open({ secretKey: secrets.secretKey })]) {
      const calls = [() => store.get('small'), () => store.check(), () => store.put('x', Buffer.from('x'))];
      for (const call of calls) {
        const text = inspect(await failureOf(call()), { depth: 10, showHidden: true });
        expect(text).not.toContain(secrets.accessKey);
        expect(text).not.toContain(secrets.secretKey);
        expect(text).not.toMatch(/Signature=/i);
      }
    }
  });

  test('a first attempt that fails is repeated', async () => {
    proxy.set({ kind: 'refuse' }, 1);
    expect(String(await open({ maxAttempts: 3 }).read('small', { maxBytes: 10 }))).toBe('small');
  });

  test('attempts are bounded', async () => {
    proxy.set({ kind: 'refuse' });
    const before = proxy.connections();
    await expect(open({ maxAttempts: 2 }).get('small')).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
    expect(proxy.connections() - before).toBe(2);
  });

  test('an upload to a server that takes nothing ends', async () => {
    proxy.set({ kind: 'deaf' });
    const store = open({ idleTimeoutMs: 100, maxAttempts: 1 });
    await expect(store.put('x', Readable.from([BIG]), { size: BIG.length })).rejects.toMatchObject({
      code: 'BUCKET_FAILED',
    });
    await expect(store.put('x', BIG)).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
  });

  test('works again when the server is back', async () => {
    const store = open({ maxAttempts: 1 });
    expect(await store.head('small')).toBeDefined();
    await server.stop();
    await expect(store.head('small')).rejects.toMatchObject({ code: 'BUCKET_FAILED' });
    await server.restart();
    expect(await store.head('small')).toMatchObject({ size: 5 });
  });
});

describe('bodies', () => {
  test('one that breaks off is an error, not a short file', async () => {
    proxy.set({ kind: 'cut', afterBytes: 1_000_000 });
    const object = await open().get('big');
    const failure = await failureOf(buffer(object?.body as Readable));
    expect(failure.code).toBe('BUCKET_FAILED');
    expect(failure.message).toContain('get big');
  });

  test('one that breaks off is read again when it goes to memory', async () => {
    proxy.set({ kind: 'cut', afterBytes: 1_000_000 }, 1);
    const read = await open({ maxAttempts: 2 }).read('big', { maxBytes: BIG.length });
    expect(read?.equals(BIG)).toBe(true);
  });

  test('one that falls silent is an error', async () => {
    proxy.set({ kind: 'stall', afterBytes: 1_000_000 });
    const object = await open({ idleTimeoutMs: 100 }).get('big');
    const failure = await failureOf(buffer(object?.body as Readable));
    expect(failure.code).toBe('BUCKET_FAILED');
    expect(failure.message).toContain('no byte for 100 ms');
  });

  test('a reader that pauses for longer than the idle limit still gets all of it', async () => {
    const idleTimeoutMs = 400;
    const object = await open({ idleTimeoutMs }).get('big');
    const body = object?.body as Readable;
    // The pause is what is tested: it ends when the idle limit has passed twice over.
    await new Promise((resolve) => setTimeout(resolve, idleTimeoutMs * 2));
    const chunks: Buffer[] = [];
    let pausesLeft = 2;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if (pausesLeft > 0) await new Promise((resolve) => setTimeout(resolve, idleTimeoutMs * 1.5));
      pausesLeft -= 1;
    }
    expect(Buffer.concat(chunks).equals(BIG)).toBe(true);
  });

  test('a destroyed one lets go of its connection', async () => {
    const store = open({ maxSockets: 1, firstByteTimeoutMs: 2000 });
    for (let round = 0; round < 3; round += 1) (await store.get('big'))?.body.destroy();
    expect(await store.head('small')).toMatchObject({ size: 5 });
  });

  test('an abort while waiting for the answer rejects with its reason', async () => {
    proxy.set({ kind: 'deaf' });
    const before = proxy.connections();
    const controller = new AbortController();
    const call = failureOf(open().get('small', { signal: controller.signal }));
    await expect.poll(() => proxy.connections()).toBeGreaterThan(before);
    const reason = new Error('the client left');
    controller.abort(reason);
    expect(await call).toBe(reason);
  });
});
