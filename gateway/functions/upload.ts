import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { EdgeError } from '../../core/errors.ts';
import { probePeer } from '../../core/probe-peer.ts';
import type { Exchange } from '../exchange.ts';
import { onBodyFault } from '../server/body-fault.ts';
import { ReadAhead } from './read-ahead.ts';

/**
 * The request's body as the function gets it, or null when there is none. Not a byte is read before its reader asks.
 *
 * @throws EdgeError BODY_TOO_LARGE when more is declared than allowed.
 */
export function uploadOf({ incoming, outgoing }: Exchange, maxBytes: number): Readable | null {
  const { 'content-length': length, 'transfer-encoding': coding } = incoming.headers;
  if (coding === undefined && (length === undefined || Number(length) === 0)) return null;
  if (Number(length ?? 0) > maxBytes) throw new EdgeError('BODY_TOO_LARGE');
  return new Upload(incoming, outgoing, maxBytes);
}

/**
 * Passes a body on with backpressure and counts it. It never destroys the request itself: an answer may still have to go
 * out on that connection.
 */
class Upload extends Readable {
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #maxBytes: number;
  #seenBytes = 0;
  #isAsked = false;
  readonly #ahead = new ReadAhead();
  #stopProbing: (() => void) | undefined;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, maxBytes: number) {
    super();
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#maxBytes = maxBytes;
    // Whoever reads the body sees its error; one that nobody has come to read must not end the process.
    this.on('error', () => {});
    onBodyFault(incoming, (error) => this.destroy(error));
  }

  override _read(): void {
    this.#ahead.release();
    if (this.#isAsked) this.#resume();
    else this.#ask();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#incoming.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    this.#ahead.release();
    this.#stopProbing?.();
    if (error !== null && this.#isAsked) this.#incoming.pause();
    callback(error);
  }

  #ask(): void {
    this.#isAsked = true;
    // RFC 9110 section 10.1.1: only now is it certain that the body is wanted.
    if (expectsContinue(this.#incoming) && !this.#outgoing.headersSent) this.#outgoing.writeContinue();
    this.#incoming.on('error', this.#onClose).on('close', this.#onClose);
    this.#incoming.on('end', this.#onEnd).on('data', this.#onData);
  }

  #pause(): void {
    this.#incoming.pause();
    this.#stopProbing ??= probePeer(this.#incoming.socket);
  }

  #resume(): void {
    this.#stopProbing?.();
    this.#stopProbing = undefined;
    this.#incoming.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#seenBytes += chunk.length;
    if (this.#seenBytes > this.#maxBytes) this.destroy(new EdgeError('BODY_TOO_LARGE'));
    else if (!this.push(chunk) && !this.#ahead.take(chunk.length)) this.#pause();
  };

  readonly #onEnd = (): void => {
    this.push(null);
  };

  readonly #onClose = (): void => {
    if (this.#incoming.readableEnded) return;
    this.destroy(new EdgeError('BAD_REQUEST', { detail: 'the client left in the middle of the body' }));
  };
}

/** An HTTP/1.0 client cannot mean it (RFC 9110 section 10.1.1). */
function expectsContinue({ headers, httpVersionMinor }: IncomingMessage): boolean {
  return httpVersionMinor >= 1 && headers.expect?.toLowerCase() === '100-continue';
}
