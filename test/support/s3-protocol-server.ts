import { createHash, createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { IncomingMessage } from 'node:http';
import { S3Objects } from './s3-objects.ts';

// An S3 protocol server as a process of its own: s3rver, with what it leaves out where a client could tell.
// It checks signatures (version 4), stores an object only when all of it has arrived, and answers ranges that
// end at byte 0, empty objects and paged listings as S3 does.

type Context = { req: IncomingMessage };
type App = {
  store: S3Objects;
  context: { store: S3Objects };
  middleware: ((context: Context, next: () => Promise<void>) => Promise<void>)[];
  httpServer: { address(): AddressInfo; close(): void; closeAllConnections(): void };
  run(): Promise<AddressInfo>;
};

const require = createRequire(import.meta.url);
const S3rver = require('s3rver') as new (options: object) => App;
const S3Error = require('s3rver/lib/models/error') as new (code: string, message: string) => Error;
const accounts = require('s3rver/lib/models/account') as {
  registry: Map<string, unknown>;
  DUMMY_ACCOUNT: { createKeyPair(key: string, secret: string): void };
};

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
  app.store = new S3Objects(directory, Number(pageSize));
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
