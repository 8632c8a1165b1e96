import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import type { S3Config } from '../../store/config.ts';
import { freePort } from './free-port.ts';
import { startProcess } from './process.ts';
import { makeTempDir } from './temp-dir.ts';

const PROGRAM = fileURLToPath(new URL('s3-protocol-server.ts', import.meta.url));

export type S3Server = {
  endpoint: string;
  bucket: string;
  accessKey: string;
  secretKey: string;
  /** The configuration of a store on this server, with small limits so that failures are quick. */
  config: S3Config;
  /** The same as environment variables of a program. */
  env: Record<string, string>;
  /** Ends the process; the objects stay for `restart`. */
  stop(): Promise<void>;
  /** Starts it again on the same port with the same objects. */
  restart(): Promise<void>;
  /** Ends the process and removes the objects. */
  close(): Promise<void>;
};

/** Starts an S3 protocol server in a process of its own, with one empty bucket and its own credentials. */
export async function startS3Server(options: { bucket?: string; pageSize?: number } = {}): Promise<S3Server> {
  const { bucket = 'deployments', pageSize = 1000 } = options;
  const directory = await makeTempDir('s3');
  const objects = join(directory.path, 'buckets');
  await mkdir(objects);
  const keys = { accessKey: 'test-access-key', secretKey: 'test-secret-key' };
  const start = async (wanted: string): Promise<{ port: string; stop: () => Promise<unknown> }> => {
    const server = startProcess(process.execPath, {
      // s3rver's continuation tokens are made with DES.
      args: ['--openssl-legacy-provider', PROGRAM, objects, bucket, wanted, String(pageSize)],
      env: { S3_ACCESS_KEY: keys.accessKey, S3_SECRET_KEY: keys.secretKey },
    });
    const [, port = ''] = await server.waitFor(/listening on (\d+)/);
    return { port, stop: () => server.stop('SIGKILL') };
  };
  let server = await start(String(await freePort()));
  const endpoint = `http://127.0.0.1:${server.port}`;
  const stop = async (): Promise<void> => {
    await server.stop();
  };
  return {
    endpoint,
    bucket,
    ...keys,
    config: {
      kind: 's3',
      endpoint,
      bucket,
      region: 'us-east-1',
      ...keys,
      connectTimeoutMs: 1000,
      firstByteTimeoutMs: 5000,
      idleTimeoutMs: 5000,
      maxAttempts: 2,
      maxSockets: 64,
    },
    env: {
      BUCKET_URL: endpoint,
      BUCKET_NAME: bucket,
      BUCKET_REGION: 'us-east-1',
      BUCKET_ACCESS_KEY: keys.accessKey,
      BUCKET_SECRET_KEY: keys.secretKey,
    },
    stop,
    async restart() {
      server = await start(server.port);
    },
    async close() {
      await stop();
      await directory.remove();
    },
  };
}
