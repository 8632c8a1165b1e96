import type { Readable } from 'node:stream';

/** Inclusive byte positions, as in RFC 9110 section 14.1.2. */
export type ByteRange = { start: number; end: number };

export type ObjectHead = {
  /** Size of the whole object in bytes. */
  size: number;
  /** Last modification, milliseconds since the epoch. */
  modifiedAtMs: number;
};

export type ObjectBody = ObjectHead & {
  /** The bytes asked for; the caller reads it to its end or destroys it. */
  body: Readable;
};

export type ReadOptions = {
  /** Only these bytes; a range outside the object throws RANGE_NOT_SATISFIABLE. */
  range?: ByteRange | undefined;
  /** Aborts the call, and the body while it streams. */
  signal?: AbortSignal | undefined;
};

/**
 * Where deployments' objects are. Absence is an answer (undefined); failure throws EdgeError `BUCKET_FAILED`
 * after the store's own retries and deadlines. A key with dot segments, a leading slash, a NUL or a backslash
 * is refused with an Error before anything is asked.
 */
export type ObjectStore = {
  /** A word for logs and the admin page: `s3` or `directory`. */
  readonly kind: string;
  head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectHead | undefined>;
  get(key: string, options?: ReadOptions): Promise<ObjectBody | undefined>;
  /** The whole object in memory; throws BUCKET_FAILED when it is larger than `maxBytes`. */
  read(
    key: string,
    options: { maxBytes: number; signal?: AbortSignal | undefined },
  ): Promise<Buffer | undefined>;
  /** Writes atomically: a reader sees the old object or the new one, never a part. `size` is required for streams. */
  put(key: string, body: Buffer | Readable, options?: { size?: number; contentType?: string }): Promise<void>;
  /** Deletes what exists; absent keys are no error. */
  delete(keys: readonly string[]): Promise<void>;
  /** Every object below the prefix, in no particular order. */
  list(prefix: string): AsyncIterable<{ key: string } & ObjectHead>;
  /** Resolves when the store can be reached and may be read; throws with what to mend. Used at start. */
  check(): Promise<void>;
  close(): Promise<void>;
};
