import { Readable } from 'node:stream';

export type CaptureOptions = {
  /** More than this is passed on and not kept. */
  maxBytes: number;
  /** Content-Length, if there is one: anything else is incomplete (RFC 9111 section 3.3). */
  expectedBytes: number | undefined;
  /** Asked when the client has left: whether somebody else still wants the whole. */
  isWanted: () => boolean;
};

/**
 * Passes a body on to a client and keeps it on the way. While it is kept it is read as fast as it comes, so that one slow
 * client does not hold up those who wait for the whole; past the limit, at the pace of the client.
 */
export class Capture extends Readable {
  /** All bytes; undefined when there were too many, or the body broke off. */
  readonly whole: Promise<Buffer | undefined>;
  readonly #source: Readable;
  readonly #options: CaptureOptions;
  #chunks: Buffer[] | undefined = [];
  #bytes = 0;
  #hasReader = true;
  #settle: (whole: Buffer | undefined) => void = () => {};

  constructor(source: Readable, options: CaptureOptions) {
    super();
    this.#source = source;
    this.#options = options;
    this.whole = new Promise((resolve) => {
      this.#settle = resolve;
    });
    // Whoever reads sees the error; a body that nobody reads must not end the process.
    this.on('error', () => {});
    source.on('data', this.#onData).once('end', this.#onEnd).once('error', this.#onError);
    source.once('close', this.#onClose);
  }

  override _read(): void {
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#hasReader = false;
    if (this.#chunks === undefined || !this.#options.isWanted()) this.#source.destroy();
    else this.#source.resume();
    callback(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    this.#chunks?.push(chunk);
    if (this.#bytes > this.#options.maxBytes) this.#giveUp();
    const hasRoom = this.#hasReader ? this.push(chunk) : true;
    if (this.#chunks === undefined && !hasRoom) this.#source.pause();
  };

  readonly #onEnd = (): void => {
    const { expectedBytes } = this.#options;
    const isWhole = expectedBytes === undefined || expectedBytes === this.#bytes;
    this.#settle(
      isWhole && this.#chunks !== undefined ? Buffer.concat(this.#chunks, this.#bytes) : undefined,
    );
    if (this.#hasReader) this.push(null);
  };

  readonly #onError = (error: Error): void => {
    this.#giveUp();
    if (this.#hasReader) this.destroy(error);
  };

  readonly #onClose = (): void => {
    if (this.#source.readableEnded) return;
    this.#giveUp();
    if (this.#hasReader) this.destroy();
  };

  #giveUp(): void {
    this.#chunks = undefined;
    this.#settle(undefined);
    if (!this.#hasReader) this.#source.destroy();
  }
}
