import { Readable } from 'node:stream';
import type { EdgeError } from '../core/errors.ts';

export type BodyGuard = {
  /** Bytes that must arrive: a body that ends early is a failure, not a short file. */
  expectedBytes: number;
  /** Milliseconds without a byte while the reader is waiting for one. */
  idleTimeoutMs: number;
  /** Turns a failure of the source into the error that the reader gets. */
  toError: (error: unknown) => EdgeError;
  signal?: AbortSignal | undefined;
};

/**
 * A body that never lies about how it ended. The idle clock counts only while the reader waits for the source,
 * so that a slow client is not taken for a slow bucket (a socket time-out cannot tell them apart).
 */
export function guardBody(source: Readable, guard: BodyGuard): Readable {
  let receivedBytes = 0;
  let isReaderWaiting = false;
  const fail = (error: Error): void => {
    body.destroy(guard.toError(error));
  };
  const failEarlyEnd = (): void => {
    fail(new Error(`the body ended after ${receivedBytes} of ${guard.expectedBytes} bytes`));
  };
  const idleTimer = setTimeout(() => {
    if (isReaderWaiting) fail(new Error(`no byte for ${guard.idleTimeoutMs} ms`));
  }, guard.idleTimeoutMs).unref();
  const onAbort = (): void => {
    body.destroy(guard.signal?.reason as Error);
  };
  const body = new Readable({
    read() {
      isReaderWaiting = true;
      idleTimer.refresh();
      source.resume();
    },
    destroy(error, done) {
      clearTimeout(idleTimer);
      guard.signal?.removeEventListener('abort', onAbort);
      source.destroy();
      done(error);
    },
  });
  source.pause();
  source.on('data', (chunk: Buffer) => {
    receivedBytes += chunk.length;
    idleTimer.refresh();
    if (body.push(chunk)) return;
    isReaderWaiting = false;
    source.pause();
  });
  source.on('end', () => {
    if (receivedBytes === guard.expectedBytes) body.push(null);
    else failEarlyEnd();
  });
  source.on('error', fail);
  source.on('close', () => {
    if (!source.readableEnded) failEarlyEnd();
  });
  guard.signal?.addEventListener('abort', onAbort, { once: true });
  if (guard.signal?.aborted === true) onAbort();
  return body;
}
