import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { EdgeError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { S3Config } from './config.ts';
import { notSatisfiable, requireSafeKey, requireSafePrefix, requireSoundRange } from './key.ts';
import type { ObjectBody, ObjectHead, ObjectStore, ReadOptions } from './object-store.ts';
import { readAll } from './read-all.ts';
import { toHead, toObjectBody } from './s3-body.ts';
import { createS3Clients } from './s3-clients.ts';
import { explainCheckFailure, saysAbsent, saysNotSatisfiable, toBucketError } from './s3-errors.ts';
import { deleteObjects, putObject } from './s3-write.ts';

/** Objects in a bucket of an S3 server, addressed path-style (Garage, MinIO and AWS all answer to it). */
export function createS3Store(config: S3Config, log: Logger): ObjectStore {
  const { reads, writes } = createS3Clients(config, log);
  const get = (key: string, options: ReadOptions = {}): Promise<ObjectBody | undefined> =>
    getObject(reads, config, key, options);
  return {
    kind: 's3',
    get,
    head: (key, { signal } = {}) => headObject(reads, config, key, signal),
    read: (key, { maxBytes, signal }) =>
      readAll(get, key, {
        maxBytes,
        signal,
        // The SDK retries until an answer begins; a body that breaks off is ours to repeat.
        maxAttempts: config.maxAttempts,
        onRetry: () => log.warn({ key }, 'an object broke off while it was read; reading it again'),
      }),
    put: async (key, body, options = {}): Promise<void> => {
      requireSafeKey(key);
      await putObject(writes, config, { key, body, ...options });
    },
    delete: async (keys): Promise<void> => {
      for (const key of keys) requireSafeKey(key);
      await deleteObjects(reads, config, keys);
    },
    list: (prefix) => listObjects(reads, config, prefix),
    check: () => checkBucket(reads, config),
    close: async (): Promise<void> => {
      reads.destroy();
      writes.destroy();
    },
  };
}

async function getObject(
  client: S3Client,
  config: S3Config,
  key: string,
  { range, signal }: ReadOptions,
): Promise<ObjectBody | undefined> {
  requireSafeKey(key);
  if (range !== undefined) requireSoundRange(range);
  const toError = (error: unknown): EdgeError => toBucketError(config, `get ${key}`, error);
  const Range = range === undefined ? undefined : `bytes=${range.start}-${range.end}`;
  try {
    const command = new GetObjectCommand({ Bucket: config.bucket, Key: key, Range });
    const answer = await client.send(command, abortable(signal));
    return toObjectBody(answer, { range, signal, toError, idleTimeoutMs: config.idleTimeoutMs });
  } catch (error) {
    signal?.throwIfAborted();
    if (range !== undefined && saysNotSatisfiable(error)) throw notSatisfiable(range);
    if (saysAbsent(error)) return undefined;
    throw toError(error);
  }
}

async function headObject(
  client: S3Client,
  config: S3Config,
  key: string,
  signal: AbortSignal | undefined,
): Promise<ObjectHead | undefined> {
  requireSafeKey(key);
  try {
    const command = new HeadObjectCommand({ Bucket: config.bucket, Key: key });
    const answer = await client.send(command, abortable(signal));
    return toHead(answer.ContentLength, answer.LastModified);
  } catch (error) {
    signal?.throwIfAborted();
    if (saysAbsent(error)) return undefined;
    throw toBucketError(config, `head ${key}`, error);
  }
}

async function* listObjects(
  client: S3Client,
  config: S3Config,
  prefix: string,
): AsyncGenerator<{ key: string } & ObjectHead> {
  requireSafePrefix(prefix);
  let token: string | undefined;
  do {
    const page = await listPage(client, config, prefix, token);
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      if (Key !== undefined) yield { key: Key, ...toHead(Size, LastModified) };
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
}

async function listPage(
  client: S3Client,
  config: S3Config,
  prefix: string,
  token: string | undefined,
): Promise<ListObjectsV2CommandOutput> {
  const command = new ListObjectsV2Command({
    Bucket: config.bucket,
    Prefix: prefix,
    ContinuationToken: token,
  });
  try {
    return await client.send(command);
  } catch (error) {
    throw toBucketError(config, `list ${prefix}`, error);
  }
}

async function checkBucket(client: S3Client, config: S3Config): Promise<void> {
  try {
    // A listing, not HEAD: its error has a body that tells a missing bucket from a refused key.
    await client.send(new ListObjectsV2Command({ Bucket: config.bucket, MaxKeys: 1 }));
  } catch (error) {
    throw explainCheckFailure(config, error);
  }
}

function abortable(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
