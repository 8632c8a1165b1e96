import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { EdgeError } from '../core/errors.ts';
import type { Answer } from './exchange.ts';
import { headerOf } from './exchange.ts';
import { joinTunnel } from './functions/tunnel.ts';
import { closeByLingering } from './server/linger.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Writes an answer: bytes at hand in one go, a stream with backpressure. A stream that fails half-way ends the
 * connection, so that the client sees a broken answer and never takes a part for the whole; `onBroken` hears why. Throws,
 * with nothing sent, when the head cannot be written or the body has failed already.
 */
export function respond(
  outgoing: ServerResponse,
  answer: Answer,
  onBroken: (cause: Error) => void = () => {},
): void {
  const { status, headers, body, tunnel } = answer;
  if (outgoing.destroyed) {
    discard(body);
    tunnel?.socket.destroy();
    return;
  }
  const stream = body === null || Buffer.isBuffer(body) ? undefined : body;
  if (stream?.destroyed === true && !stream.readableEnded)
    throw stream.errored ?? new EdgeError('RUNNER_BROKE_OFF');
  if (tunnel === undefined && !outgoing.req.complete) closeAfterwards(outgoing);
  // writeHead takes a flat list of names and values; its types know only the mutable form.
  outgoing.writeHead(status, headers as string[]);
  if (tunnel !== undefined) joinTunnel(outgoing, headers, tunnel);
  else if (!mayHaveBody(outgoing, status)) {
    discard(body);
    outgoing.end();
  } else if (stream === undefined) outgoing.end(body);
  else
    sendStream(outgoing, stream, { hasLength: headerOf(headers, 'content-length') !== undefined, onBroken });
}

/**
 * The answer comes before the end of the request's body. What is left of it has to be read somehow before another request
 * can follow on the connection, and a client that waits for 100 (Continue) may or may not send it.
 */
function closeAfterwards(outgoing: ServerResponse): void {
  outgoing.shouldKeepAlive = false;
  closeByLingering(outgoing.req.socket);
}

/** RFC 9110 section 6.4.1. */
function mayHaveBody({ req }: ServerResponse, status: number): boolean {
  return req.method !== 'HEAD' && status !== 204 && status !== 304;
}

/** Reads a body that nobody wants to its end, which is near if there is one: its connection stays usable. */
function discard(body: Answer['body']): void {
  if (body === null || Buffer.isBuffer(body)) return;
  body.once('error', () => {});
  if (body.readableLength > 0) body.destroy();
  else body.once('data', () => body.destroy());
}

type StreamOptions = { hasLength: boolean; onBroken: (cause: Error) => void };

function sendStream(outgoing: ServerResponse, body: Readable, { hasLength, onBroken }: StreamOptions): void {
  body.on('data', (chunk: Buffer) => {
    if (!outgoing.write(chunk)) body.pause();
  });
  outgoing.on('drain', () => body.resume());
  body.once('end', () => outgoing.end());
  const onFailed = (cause: Error): void => {
    if (outgoing.destroyed) return;
    onBroken(cause);
    breakOff(outgoing, hasLength);
  };
  body.on('error', onFailed);
  body.once('close', () => {
    if (!body.readableEnded) onFailed(new EdgeError('RUNNER_BROKE_OFF', { detail: 'the body has no end' }));
  });
  outgoing.once('close', () => body.destroy());
  // The head goes out at once: an event stream may not have a first event for a while. Not by flushHeaders, which writes
  // it as UTF-8 and so changes every byte of a header that is no ASCII.
  if (body.readableLength === 0) outgoing.write(NOTHING);
}

/**
 * Cuts the connection in the middle of an answer. Where only the end of the connection ends the body (HTTP/1.0 without a
 * length), closing it in order would say that the answer is complete: it is reset instead.
 */
function breakOff(outgoing: ServerResponse, hasLength: boolean): void {
  const { socket } = outgoing.req;
  const isEndedByClose = !hasLength && outgoing.req.httpVersion === '1.0';
  // TLS has an end of its own (RFC 9112 section 9.8), which destroying does not send.
  if (isEndedByClose && !('encrypted' in socket)) socket.resetAndDestroy();
  else outgoing.destroy();
}
