import { createReadStream } from 'node:fs';
import { apiPaths, type BegunDeployment } from '../contracts/control-api.ts';
import type { Content } from './build-site.ts';
import { CliError } from './cli-error.ts';
import type { ControlApiClient } from './control-api-client.ts';
import { ApiRefusalError } from './control-api-errors.ts';
import { mapConcurrently } from './map-concurrently.ts';

export type UploadProgress = { objects: number; totalObjects: number; bytes: number; totalBytes: number };
export type Uploaded = { objects: number; bytes: number };

export type UploadJob = {
  client: ControlApiClient;
  project: string;
  contents: ReadonlyMap<string, Content>;
  /** Hashes to upload. */
  missing: readonly string[];
  limits: BegunDeployment['limits'];
  signal: AbortSignal | undefined;
  onProgress(progress: UploadProgress): void;
};

const MOST_AT_ONCE = 16;

/** Uploads the missing objects, many at once. @throws CliError when one cannot be uploaded. */
export async function uploadObjects(job: UploadJob): Promise<Uploaded> {
  const objects = job.missing.map((hash) => ({ hash, content: requireContent(job, hash) }));
  const totalBytes = objects.reduce((total, { content }) => total + content.size, 0);
  const progress: UploadProgress = { objects: 0, totalObjects: objects.length, bytes: 0, totalBytes };
  const atOnce = Math.max(1, Math.min(job.limits.maxConcurrentUploads, MOST_AT_ONCE));
  await mapConcurrently(objects, atOnce, async ({ hash, content }) => {
    job.signal?.throwIfAborted();
    await uploadOne(job, hash, content);
    progress.objects += 1;
    progress.bytes += content.size;
    job.onProgress({ ...progress });
  });
  return { objects: objects.length, bytes: totalBytes };
}

function requireContent({ contents, limits }: UploadJob, hash: string): Content {
  const content = contents.get(hash);
  if (content === undefined) {
    throw new CliError(
      'BAD_ANSWER',
      `The control API asks for an object that is not part of this site (${hash}).`,
    );
  }
  if (content.size > limits.maxObjectBytes) {
    const message = `${nameOf(content)} has ${content.size} bytes; this installation takes at most ${limits.maxObjectBytes}.`;
    throw new CliError('BODY_TOO_LARGE', message);
  }
  return content;
}

async function uploadOne(
  { client, project, signal }: UploadJob,
  hash: string,
  content: Content,
): Promise<void> {
  const path = apiPaths.object(project, hash);
  try {
    await client.upload({ path, size: content.size, open: () => openContent(content), signal });
  } catch (error) {
    throw hasChanged(error) ? changed(content, error) : error;
  }
}

function openContent({ source, size }: Content): AsyncIterable<Buffer> | Buffer {
  if (source.kind === 'bytes') return source.bytes;
  return size === 0 ? Buffer.alloc(0) : readChunks(source.path);
}

/** A generator, so that a file that is gone is an error of the reader and not of the process. */
async function* readChunks(path: string): AsyncGenerator<Buffer> {
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 256 * 1024 });
  yield* chunks;
}

/** The bytes are no longer those that were hashed: other ones (the control API says so), more, fewer, or none. */
function hasChanged(error: unknown): boolean {
  if (error instanceof ApiRefusalError) return error.status === 422;
  return error instanceof CliError && error.code === 'CONTENT_CHANGED';
}

function changed(content: Content, cause: unknown): CliError {
  return new CliError('FILE_CHANGED', `${nameOf(content)} changed while it was being deployed.`, {
    hint: 'Let the build finish first, then deploy again.',
    cause,
  });
}

function nameOf({ source }: Content): string {
  return source.kind === 'file' ? source.path : 'The code of a function';
}
