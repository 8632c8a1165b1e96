import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Answer } from './exchange.ts';

/**
 * Writes an answer: bytes at hand in one go, a stream with backpressure. A stream that fails half-way ends the
 * connection, so that the client sees a broken answer and never takes a part for the whole.
 */
export function respond(outgoing: ServerResponse, answer: Answer, method: string): Promise<void> | undefined {
  const { status, headers, body } = answer;
  // writeHead takes a flat list of names and values; its types know only the mutable form.
  outgoing.writeHead(status, headers as string[]);
  if (body === null || Buffer.isBuffer(body)) {
    if (body === null || method === 'HEAD') outgoing.end();
    else outgoing.end(body);
    return undefined;
  }
  return sendStream(outgoing, body, method);
}

async function sendStream(outgoing: ServerResponse, body: Readable, method: string): Promise<void> {
  if (method === 'HEAD') {
    body.destroy();
    outgoing.end();
    return;
  }
  // The head goes out at once: an event stream may not have a first event for a while.
  outgoing.flushHeaders();
  await pipeline(body, outgoing);
}
