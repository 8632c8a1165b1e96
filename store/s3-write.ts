import type { Readable } from 'node:stream';
import { DeleteObjectsCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { S3Config } from './config.ts';
import { withExactSize } from './exact-size.ts';
import { toBucketError } from './s3-errors.ts';

/** What the protocol allows in one DeleteObjects call. */
const MAX_DELETES_PER_CALL = 1000;

export type Put = {
  key: string;
  body: Buffer | Readable;
  size?: number | undefined;
  contentType?: string | undefined;
};

/** One PutObject call. A stream is sent once, since it cannot be repeated; a buffer is retried. */
export async function putObject(client: S3Client, config: S3Config, put: Put): Promise<void> {
  const { key, body, contentType } = put;
  const size = Buffer.isBuffer(body) ? body.length : put.size;
  if (size === undefined) throw new Error('a stream needs its size');
  const upload = new AbortController();
  const command = new PutObjectCommand({
    Bucket: config.bucket,
    Key: key,
    // Node does not pass the error of a source on to the request: without the abort it would wait for ever.
    Body: Buffer.isBuffer(body) ? body : withExactSize(body, size, (error) => upload.abort(error)),
    ContentLength: size,
    ContentType: contentType,
  });
  try {
    await client.send(command, { abortSignal: upload.signal });
  } catch (error) {
    if (!Buffer.isBuffer(body)) body.destroy();
    throw toBucketError(config, `put ${key}`, upload.signal.aborted ? upload.signal.reason : error);
  }
}

/** Deletes what exists, as many calls as it takes. */
export async function deleteObjects(
  client: S3Client,
  config: S3Config,
  keys: readonly string[],
): Promise<void> {
  for (let at = 0; at < keys.length; at += MAX_DELETES_PER_CALL) {
    const some = keys.slice(at, at + MAX_DELETES_PER_CALL);
    const failed = await deleteSome(client, config, some);
    if (failed !== undefined) throw toBucketError(config, 'delete', new Error(failed));
  }
}

/** The code of the first key that could not be deleted. */
async function deleteSome(
  client: S3Client,
  config: S3Config,
  keys: readonly string[],
): Promise<string | undefined> {
  const Objects = keys.map((Key) => ({ Key }));
  try {
    const answer = await client.send(
      new DeleteObjectsCommand({ Bucket: config.bucket, Delete: { Objects, Quiet: true } }),
    );
    return answer.Errors?.find(({ Code }) => Code !== 'NoSuchKey')?.Code;
  } catch (error) {
    throw toBucketError(config, `delete of ${keys.length} objects`, error);
  }
}
