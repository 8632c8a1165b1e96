import { Readable } from 'node:stream';
import { EdgeError } from '../core/errors.ts';

/**
 * A request body on its way to a runner. It reads from the caller's stream only when the runner takes bytes, and
 * never destroys it: the caller may offer an untouched body to another runner, or drain it to keep its connection.
 */
export class RequestBody extends Readable {
  readonly #source: Readable;
  #isAttached = false;
  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#source.pause();
  };
  readonly #onEnd = (): void => {
    this.push(null);
  };
  readonly #onError = (cause: unknown): void => {
    this.destroy(asBodyError(cause));
  };
  readonly #onClose = (): void => {
    if (!this.#source.readableEnded) this.destroy(asBodyError(undefined));
  };

  constructor(source: Readable) {
    super();
    this.#source = source;
  }

  /** Whether bytes may have been taken: from then on the body cannot be sent a second time. */
  get isConsumed(): boolean {
    return this.#isAttached;
  }

  override _read(): void {
    if (this.#isAttached) this.#source.resume();
    else this.#attach();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const source = this.#source;
    source.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    // The error listener stays: a source that fails later, with nobody reading it, must not end the process.
    if (this.#isAttached) source.pause();
    callback(error);
  }

  #attach(): void {
    this.#isAttached = true;
    const source = this.#source;
    source.on('error', this.#onError);
    if (source.readableEnded) this.push(null);
    else if (source.destroyed) this.destroy(asBodyError(source.errored));
    else source.on('end', this.#onEnd).on('close', this.#onClose).on('data', this.#onData).resume();
  }
}

/** An EdgeError of the caller (a limit, say) is passed on as it is; anything else is a client that broke off. */
function asBodyError(cause: unknown): EdgeError {
  if (cause instanceof EdgeError) return cause;
  return new EdgeError('BAD_REQUEST', { detail: 'the request body broke off', cause });
}
