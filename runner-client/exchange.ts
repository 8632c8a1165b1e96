import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { errors, type Dispatcher } from 'undici';
import { EdgeError, messageOf } from '../core/errors.ts';
import { ReplyBody } from './reply-body.ts';
import type { FunctionCall, FunctionReply, HeaderList } from './runner-client.ts';
import { endToEnd, parseRawHeaders } from './wire-headers.ts';

/** How one attempt on one runner ended, as far as its headers. */
export type Outcome =
  | { kind: 'reply'; reply: FunctionReply }
  | { kind: 'switched'; headers: HeaderList; socket: Duplex }
  /** No connection: the runner has not seen a byte. */
  | { kind: 'unreachable'; error: EdgeError }
  /** Connected, but no answer came. */
  | { kind: 'broke-off'; error: EdgeError }
  | { kind: 'timed-out'; error: EdgeError }
  /** The request body failed, or the caller aborted: says nothing about the runner. */
  | { kind: 'abandoned'; error: unknown };

/** What an exchange needs of a call; the rest goes to undici with the request. */
export type ExchangeCall = Pick<FunctionCall, 'signal' | 'onInformational'>;

/** One request on one connection: turns undici's events into an outcome and a body. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly outcome: Promise<Outcome>;
  readonly #call: ExchangeCall;
  readonly #onFinished: () => void;
  #settle: (outcome: Outcome) => void = () => {};
  #controller: Dispatcher.DispatchController | undefined;
  #body: ReplyBody | undefined;
  #isFinished = false;

  /** `onFinished` is called once, when the wire is done with the call: at its end, its failure or its abort. */
  constructor(call: ExchangeCall, onFinished: () => void) {
    this.#call = call;
    this.#onFinished = onFinished;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
    call.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#call.signal.aborted) controller.abort(new Error('aborted by the caller'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    const fields = parseRawHeaders(controller.rawHeaders);
    if (status < 200) {
      this.#call.onInformational?.(status, endToEnd(fields));
      return;
    }
    this.#body = new ReplyBody(controller);
    this.#settle({ kind: 'reply', reply: { status, headers: endToEnd(fields), body: this.#body } });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.receive(chunk);
  }

  onResponseEnd(): void {
    this.#body?.complete();
    this.#finish();
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    _status: number,
    _headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#call.signal.removeEventListener('abort', this.#onAbort);
    const abortTunnel = (): void => {
      socket.destroy();
    };
    this.#call.signal.addEventListener('abort', abortTunnel, { once: true });
    // undici has removed its own listeners: until the caller adds some, a reset must not end the process.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#call.signal.removeEventListener('abort', abortTunnel);
      this.#finish();
    });
    this.#settle({ kind: 'switched', headers: parseRawHeaders(controller.rawHeaders), socket });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#body === undefined) this.#settle(this.#explain(error));
    else this.#body.fail(bodyError(error));
    this.#finish();
  }

  readonly #onAbort = (): void => {
    const error: unknown = this.#call.signal.reason;
    this.#settle({ kind: 'abandoned', error });
    if (this.#body !== undefined) this.#body.destroy(error instanceof Error ? error : new Error('aborted'));
    else this.#controller?.abort(new Error('aborted by the caller'));
    this.#finish();
  };

  #explain(error: Error): Outcome {
    if (error instanceof EdgeError) return { kind: 'abandoned', error };
    const detail = messageOf(error);
    if (isUnsendable(error)) {
      return { kind: 'abandoned', error: new EdgeError('BAD_REQUEST', { cause: error, detail }) };
    }
    if (this.#controller === undefined) {
      return { kind: 'unreachable', error: new EdgeError('RUNNER_UNREACHABLE', { cause: error, detail }) };
    }
    if (error instanceof errors.HeadersTimeoutError) {
      return { kind: 'timed-out', error: new EdgeError('RUNNER_TIMEOUT', { cause: error, detail }) };
    }
    return { kind: 'broke-off', error: new EdgeError('RUNNER_BROKE_OFF', { cause: error, detail }) };
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#call.signal.removeEventListener('abort', this.#onAbort);
    this.#onFinished();
  }
}

/** undici refused the request itself: a malformed target or field, or a body of another length than declared. */
function isUnsendable(error: Error): boolean {
  return (
    error instanceof errors.InvalidArgumentError ||
    error instanceof errors.NotSupportedError ||
    error instanceof errors.RequestContentLengthMismatchError
  );
}

function bodyError(error: Error): EdgeError {
  if (error instanceof EdgeError) return error;
  const code = error instanceof errors.BodyTimeoutError ? 'RUNNER_TIMEOUT' : 'RUNNER_BROKE_OFF';
  return new EdgeError(code, { cause: error, detail: messageOf(error) });
}
