import { createHash, createHmac } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

// An S3 protocol server as a process of its own: s3rver, with what it leaves out where a client could tell.
// It checks signatures (version 4), stores an object only when all of it has arrived, and answers ranges that
// end at byte 0, empty objects and paged listings as S3 does.

type StoredMetadata = Record<string, string | number>;
type Range = { start?: number; end?: number };
type StoredObject = {
  bucket: string;
  key: string;
  content: Readable | undefined;
  metadata: StoredMetadata;
  range?: { start: number; end: number };
};
type Listing = { objects: StoredObject[]; commonPrefixes: string[]; isTruncated: boolean };
type ListOptions = { maxKeys?: number };

declare class BaseStore {
  constructor(root: string);
  getResourcePath(bucket: string, key: string, resource: string): string;
  getMetadata(bucket: string, key: string): Promise<StoredMetadata>;
  putMetadata(bucket: string, key: string, metadata: StoredMetadata, md5: string): Promise<void>;
  getObject(bucket: string, key: string, range: Range): Promise<StoredObject | null>;
  listObjects(bucket: string, options: ListOptions): Promise<Listing>;
  putObject(object: StoredObject): Promise<{ size: number; md5: string }>;
}

type Context = { req: IncomingMessage };
type App = {
  store: BaseStore;
  context: { store: BaseStore };
  middleware: ((context: Context, next: () => Promise<void>) => Promise<void>)[];
  httpServer: { address(): AddressInfo; close(): void; closeAllConnections(): void };
  run(): Promise<AddressInfo>;
};

const require = createRequire(import.meta.url);
const S3rver = require('s3rver') as new (options: object) => App;
const FilesystemStore = require('s3rver/lib/stores/filesystem') as typeof BaseStore;
const S3Object = require('s3rver/lib/models/object') as new (
  bucket: string,
  key: string,
  content: Readable | undefined,
  metadata: StoredMetadata,
) => StoredObject;
const S3Error = require('s3rver/lib/models/error') as new (code: string, message: string) => Error;
const accounts = require('s3rver/lib/models/account') as {
  registry: Map<string, unknown>;
  DUMMY_ACCOUNT: { createKeyPair(key: string, secret: string): void };
};

class CarefulStore extends FilesystemStore {
  readonly #root: string;
  readonly #pageSize: number;

  constructor(root: string, pageSize: number) {
    super(root);
    this.#root = root;
    this.#pageSize = pageSize;
  }

  override async putObject(object: StoredObject): Promise<{ size: number; md5: string }> {
    const directory = await mkdtemp(join(dirname(this.#root), 'uploading-'));
    try {
      const hash = createHash('md5');
      let size = 0;
      const meter = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          hash.update(chunk);
          size += chunk.length;
          done(null, chunk);
        },
      });
      const temporary = join(directory, 'object');
      if (object.content === undefined) throw new Error('an upload has content');
      await pipeline(object.content, meter, createWriteStream(temporary));
      const md5 = hash.digest('hex');
      const path = this.getResourcePath(object.bucket, object.key, 'object');
      await mkdir(dirname(path), { recursive: true });
      await rename(temporary, path);
      await this.putMetadata(object.bucket, object.key, object.metadata, md5);
      return { size, md5 };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  override async getObject(bucket: string, key: string, range: Range): Promise<StoredObject | null> {
    if (range?.start === undefined) return super.getObject(bucket, key, range);
    let metadata: StoredMetadata;
    try {
      metadata = await this.getMetadata(bucket, key);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    const last = Number(metadata['content-length']) - 1;
    const part = { start: range.start, end: Math.min(range.end ?? last, last) };
    const isSatisfiable = part.start <= part.end;
    const path = this.getResourcePath(bucket, key, 'object');
    const content = isSatisfiable ? createReadStream(path, part) : undefined;
    return Object.assign(new S3Object(bucket, key, content, metadata), { range: part });
  }

  override async listObjects(bucket: string, options: ListOptions): Promise<Listing> {
    const { maxKeys = this.#pageSize } = options;
    const all = await super.listObjects(bucket, { ...options, maxKeys: Number.POSITIVE_INFINITY });
    const objects = all.objects.toSorted((one, other) => (one.key < other.key ? -1 : 1));
    const limit = Math.min(maxKeys, this.#pageSize);
    return { ...all, objects: objects.slice(0, limit), isTruncated: objects.length > limit };
  }
}

type Credentials = { accessKey: string; secretKey: string };

/** Signature version 4, as S3 computes it: the path is encoded once, the payload's hash is taken from its header. */
function requireSignature(request: IncomingMessage, { accessKey, secretKey }: Credentials): void {
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
      request.headers.authorization ?? '',
    );
  if (match === null) throw new S3Error('AccessDenied', 'Anonymous access is forbidden.');
  const [, key, scope = '', signedHeaders = '', signature] = match;
  if (key !== accessKey) throw new S3Error('InvalidAccessKeyId', 'The access key id does not exist.');
  const text = [
    'AWS4-HMAC-SHA256',
    headerOf(request, 'x-amz-date'),
    scope,
    createHash('sha256').update(canonicalRequest(request, signedHeaders)).digest('hex'),
  ].join('\n');
  const signingKey = scope
    .split('/')
    .reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${secretKey}`);
  if (hmac(signingKey, text).toString('hex') !== signature) {
    throw new S3Error('SignatureDoesNotMatch', 'The request signature does not match the one provided.');
  }
}

function canonicalRequest(request: IncomingMessage, signedHeaders: string): string {
  const [path = '/', query = ''] = (request.url ?? '/').split('?');
  const pairs = query === '' ? [] : query.split('&').map((pair) => (pair.includes('=') ? pair : `${pair}=`));
  const headers = signedHeaders.split(';').map((name) => `${name}:${headerOf(request, name).trim()}\n`);
  const payload = headerOf(request, 'x-amz-content-sha256');
  return [request.method, path, pairs.sort().join('&'), headers.join(''), signedHeaders, payload].join('\n');
}

function headerOf(request: IncomingMessage, name: string): string {
  return String(request.headers[name] ?? '');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

async function main(): Promise<void> {
  const [directory = '', bucket = '', port = '0', pageSize = '1000'] = process.argv.slice(2);
  const credentials = {
    accessKey: process.env['S3_ACCESS_KEY'] ?? '',
    secretKey: process.env['S3_SECRET_KEY'] ?? '',
  };
  accounts.registry.clear();
  accounts.DUMMY_ACCOUNT.createKeyPair(credentials.accessKey, credentials.secretKey);
  const options = { directory, address: '127.0.0.1', port: Number(port), silent: true, vhostBuckets: false };
  const app = new S3rver({ ...options, configureBuckets: [{ name: bucket, configs: [] }] });
  app.store = new CarefulStore(directory, Number(pageSize));
  app.context.store = app.store;
  app.middleware.unshift(async (context, next) => {
    requireSignature(context.req, credentials);
    await next();
  });
  const address = await app.run();
  process.stdout.write(`listening on ${address.port}\n`);
  process.once('SIGTERM', () => process.exit(0));
}

await main();
