import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';

/**
 * A response body as it arrives. The wire is read only as far as the reader keeps up; destroying the body before its
 * end aborts the call.
 */
export class ReplyBody extends Readable {
  readonly #controller: Dispatcher.DispatchController;
  #isComplete = false;

  constructor(controller: Dispatcher.DispatchController) {
    super({ highWaterMark: 64 * 1024 });
    this.#controller = controller;
    // A body can fail before its reader has come to it; that must not end the process. Readers still see it.
    this.on('error', () => {});
  }

  /** A chunk from the wire. */
  receive(chunk: Buffer): void {
    if (!this.push(chunk)) this.#controller.pause();
  }

  /** The wire said that the body is complete. */
  complete(): void {
    this.#isComplete = true;
    this.push(null);
  }

  /** The wire broke. */
  fail(error: Error): void {
    this.#isComplete = true;
    this.destroy(error);
  }

  override _read(): void {
    this.#controller.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#isComplete) this.#controller.abort(error ?? new Error('the reader left'));
    callback(error);
  }
}
