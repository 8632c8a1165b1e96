import { createHash, randomUUID } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

// The objects of the S3 protocol server. s3rver's own store keeps an object in three files that it writes one
// after the other, where they are read: a read meanwhile finds half a JSON or another object's length. Here the
// bytes lie in a file that never changes and one record says which: a rename makes it so, at once and for good.

export type Headers = Record<string, string | number>;
type Range = { start?: number; end?: number };
type Listing = { objects: StoredObject[]; commonPrefixes: string[]; isTruncated: boolean };
type ListOptions = { prefix?: string; startAfter?: string; maxKeys?: number; delimiter?: string };
type Written = { size: number; md5: string };
type StoredObject = {
  bucket: string;
  key: string;
  content: Readable | undefined;
  metadata: Headers;
  range?: { start: number; end: number };
};
type ObjectRecord = Written & {
  bucket: string;
  key: string;
  /** The file of the bytes. */
  file: string;
  modified: string;
  metadata: Headers;
};

const require = createRequire(import.meta.url);
const FilesystemStore = require('s3rver/lib/stores/filesystem') as new (root: string) => object;
const S3Object = require('s3rver/lib/models/object') as new (
  bucket: string,
  key: string,
  content: Readable | undefined,
  metadata: Headers,
) => StoredObject;

/** Buckets as s3rver keeps them; objects as S3 does: each read sees one whole write, a killed server loses none. */
export class S3Objects extends FilesystemStore {
  readonly #bytes: string;
  readonly #records: string;
  readonly #pageSize: number;
  readonly #objects = new Map<string, ObjectRecord>();

  constructor(root: string, pageSize: number) {
    super(root);
    this.#pageSize = pageSize;
    this.#bytes = join(dirname(root), 'bytes');
    this.#records = join(dirname(root), 'records');
    for (const path of [this.#bytes, this.#records]) mkdirSync(path, { recursive: true });
    for (const name of readdirSync(this.#records)) {
      if (name.endsWith('.new')) continue;
      const record = JSON.parse(readFileSync(join(this.#records, name), 'utf8')) as ObjectRecord;
      this.#objects.set(nameOf(record.bucket, record.key), record);
    }
  }

  async putObject({ bucket, key, content, metadata }: StoredObject): Promise<Written> {
    if (content === undefined) throw new Error('an upload has content');
    const file = join(this.#bytes, randomUUID());
    const written = await writeWhole(content, file);
    const name = nameOf(bucket, key);
    const replaced = this.#objects.get(name);
    this.#commit(name, {
      bucket,
      key,
      file,
      ...written,
      modified: new Date().toUTCString(),
      metadata: { ...new S3Object(bucket, key, undefined, metadata).metadata },
    });
    if (replaced !== undefined) await rm(replaced.file, { force: true });
    return written;
  }

  /** The bytes are opened in the same turn as they are looked up, so that no write comes in between. */
  async getObject(bucket: string, key: string, asked: Range = {}): Promise<StoredObject | null> {
    const record = this.#objects.get(nameOf(bucket, key));
    if (record === undefined) return null;
    const last = record.size - 1;
    const range = { start: asked.start ?? 0, end: Math.min(asked.end ?? last, last) };
    if (asked.start === undefined) return toObject(record, open(record, range));
    const content = range.start <= range.end ? open(record, range) : undefined;
    return Object.assign(toObject(record, content), { range });
  }

  async existsObject(bucket: string, key: string): Promise<boolean> {
    return this.#objects.has(nameOf(bucket, key));
  }

  async deleteObject(bucket: string, key: string): Promise<void> {
    const name = nameOf(bucket, key);
    const record = this.#objects.get(name);
    if (record === undefined) return;
    this.#objects.delete(name);
    rmSync(join(this.#records, fileNameOf(name)), { force: true });
    await rm(record.file, { force: true });
  }

  async listObjects(bucket: string, options: ListOptions): Promise<Listing> {
    const { prefix = '', startAfter = '', maxKeys = this.#pageSize, delimiter } = options;
    if (delimiter !== undefined) throw new Error('listings with a delimiter are not implemented');
    const found = [...this.#objects.values()]
      .filter((one) => one.bucket === bucket && one.key.startsWith(prefix) && one.key > startAfter)
      .toSorted((one, other) => (one.key < other.key ? -1 : 1));
    const limit = Math.min(maxKeys, this.#pageSize);
    const objects = found.slice(0, limit).map((record) => toObject(record, undefined));
    return { objects, commonPrefixes: [], isTruncated: found.length > limit };
  }

  #commit(name: string, record: ObjectRecord): void {
    const path = join(this.#records, fileNameOf(name));
    writeFileSync(`${path}.new`, JSON.stringify(record));
    renameSync(`${path}.new`, path);
    this.#objects.set(name, record);
  }
}

function nameOf(bucket: string, key: string): string {
  return `${bucket}/${key}`;
}

function fileNameOf(name: string): string {
  return createHash('sha256').update(name).digest('hex');
}

/** Throws, and leaves no file, unless all of it arrived. */
async function writeWhole(content: Readable, file: string): Promise<Written> {
  const hash = createHash('md5');
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  try {
    await pipeline(content, meter, createWriteStream(file));
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
  return { size, md5: hash.digest('hex') };
}

function open({ file, size }: ObjectRecord, range: { start: number; end: number }): Readable {
  return size === 0 ? Readable.from([]) : createReadStream('', { ...range, fd: openSync(file, 'r') });
}

function toObject(record: ObjectRecord, content: Readable | undefined): StoredObject {
  return new S3Object(record.bucket, record.key, content, {
    ...record.metadata,
    etag: JSON.stringify(record.md5),
    'last-modified': record.modified,
    'content-length': record.size,
  });
}
