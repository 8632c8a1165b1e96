import { S3Client } from '@aws-sdk/client-s3';
import type { Logger } from '../core/log.ts';
import type { S3Config } from './config.ts';

export type S3Clients = { reads: S3Client; writes: S3Client };

/**
 * Two clients, since their limits differ. Reads: the answer must begin in time, after that `guardBody` measures
 * silence. Writes: the answer begins only after the last byte was sent, so silence on the socket is the limit.
 */
export function createS3Clients(config: S3Config, log: Logger): S3Clients {
  const reads = { requestTimeout: config.firstByteTimeoutMs, socketTimeout: 0 };
  const writes = { requestTimeout: 0, socketTimeout: config.idleTimeoutMs };
  return { reads: createClient(config, log, reads), writes: createClient(config, log, writes) };
}

type Limits = { requestTimeout: number; socketTimeout: number };

function createClient(config: S3Config, log: Logger, limits: Limits): S3Client {
  const agent = { keepAlive: true, maxSockets: config.maxSockets };
  return new S3Client({
    endpoint: config.endpoint,
    region: config.region,
    credentials: { accessKeyId: config.accessKey, secretAccessKey: config.secretKey },
    forcePathStyle: true,
    maxAttempts: config.maxAttempts,
    retryMode: 'standard',
    logger: sdkLogger(log),
    // The newer checksum trailers are refused by several S3 servers; sizes and hashes are checked by us.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: config.connectTimeoutMs,
      throwOnRequestTimeout: true,
      ...limits,
    },
  });
}

/** The SDK's own log: only its warnings, since its records of calls hold whole requests. */
function sdkLogger(
  log: Logger,
): Record<'trace' | 'debug' | 'info' | 'warn' | 'error', (text: unknown) => void> {
  const ignore = (): void => undefined;
  const warn = (text: unknown): void => {
    if (typeof text === 'string') log.debug({ sdk: text }, 'the S3 client says');
  };
  return { trace: ignore, debug: ignore, info: ignore, warn, error: ignore };
}
