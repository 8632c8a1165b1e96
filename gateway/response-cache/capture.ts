import { Readable } from 'node:stream';

/** The end of a body waits at most this long for what is done with the whole. */
const MAX_HOLD_MS = 1000;

export type CaptureOptions = {
  /** More than this is passed on and not kept. */
  maxBytes: number;
  /** Content-Length, if there is one: anything else is incomplete (RFC 9111 section 3.3). */
  expectedBytes: number | undefined;
  /** Asked when the client has left: whether somebody else still wants the whole. */
  isWanted: () => boolean;
  /**
   * Given all bytes; undefined when there were too many, or the body broke off. The client gets the end of the body when it
   * is done: what a client has seen whole, every gateway can serve.
   */
  onWhole: (whole: Buffer | undefined) => Promise<void>;
};

/**
 * Passes a body on to a client and keeps it on the way. While it is kept it is read as fast as it comes, so that one slow
 * client does not hold up those who wait for the whole; past the limit, at the pace of the client.
 */
export class Capture extends Readable {
  readonly #source: Readable;
  readonly #options: CaptureOptions;
  #chunks: Buffer[] | undefined = [];
  #bytes = 0;
  #hasReader = true;
  #stored: Promise<void> | undefined;

  constructor(source: Readable, options: CaptureOptions) {
    super();
    this.#source = source;
    this.#options = options;
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
    // With these bytes the client has all: they are the end.
    if (this.#bytes === this.#options.expectedBytes && this.#chunks !== undefined) void this.#finish(chunk);
    else this.#pass(chunk);
  };

  readonly #onEnd = (): void => {
    const { expectedBytes } = this.#options;
    if (expectedBytes !== undefined && expectedBytes !== this.#bytes) this.#giveUp();
    void this.#finish(null);
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

  /** Passes the last bytes, or the end, once the whole is stored. */
  async #finish(last: Buffer | null): Promise<void> {
    // With a length this is called twice, for the last bytes and for the end: put together once.
    if (this.#stored === undefined) this.#settle(this.#whole());
    await this.#stored;
    this.#pass(last);
  }

  #whole(): Buffer | undefined {
    return this.#chunks === undefined ? undefined : Buffer.concat(this.#chunks, this.#bytes);
  }

  #pass(chunk: Buffer | null): void {
    const hasRoom = this.#hasReader ? this.push(chunk) : true;
    if (this.#chunks === undefined && !hasRoom) this.#source.pause();
  }

  #giveUp(): void {
    this.#chunks = undefined;
    this.#settle(undefined);
    if (!this.#hasReader) this.#source.destroy();
  }

  #settle(whole: Buffer | undefined): void {
    this.#stored ??= atMost(MAX_HOLD_MS, this.#options.onWhole(whole));
  }
}

async function atMost(limitMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
