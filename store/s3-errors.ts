import { EdgeError, messageOf } from '../core/errors.ts';
import type { S3Config } from './config.ts';

/** What the SDK knows about a failure; every field is optional since sockets fail in other ways than servers. */
type S3Failure = {
  name?: unknown;
  code?: unknown;
  $metadata?: { httpStatusCode?: unknown } | undefined;
};

/** Whether the server said that there is no such object (as opposed to no such bucket, or a failure). */
export function saysAbsent(error: unknown): boolean {
  const name = nameOf(error);
  return name === 'NoSuchKey' || name === 'NotFound' || (statusOf(error) === 404 && name !== 'NoSuchBucket');
}

export function saysNotSatisfiable(error: unknown): boolean {
  return nameOf(error) === 'InvalidRange' || statusOf(error) === 416;
}

/**
 * The failure of one call as BUCKET_FAILED, with one line for the log. The SDK's error is not kept as the
 * cause: it carries the request with its signature, and some servers echo the access key.
 */
export function toBucketError(config: S3Config, what: string, error: unknown): EdgeError {
  if (error instanceof EdgeError) return error;
  const status = statusOf(error);
  const parts = [nameOf(error), status === undefined ? undefined : `status ${status}`].filter(Boolean);
  const detail = `bucket: ${what} failed: ${withoutSecrets(config, messageOf(error))} (${parts.join(', ')})`;
  return new EdgeError('BUCKET_FAILED', { detail });
}

/** What to mend when the very first call fails: for whoever starts a program. */
export function explainCheckFailure(config: S3Config, error: unknown): EdgeError {
  const message = withoutSecrets(config, messageOf(error));
  return new EdgeError('BUCKET_FAILED', { detail: whatToMend(config, error, message) });
}

function whatToMend(config: S3Config, error: unknown, message: string): string {
  const { bucket, endpoint } = config;
  const known = whatToMendByName(config, nameOf(error), message);
  if (known !== undefined) return known;
  const status = statusOf(error);
  if (status === 401 || status === 403) {
    return `${endpoint} refuses access to bucket "${bucket}": let BUCKET_ACCESS_KEY list and read it (${message})`;
  }
  if (status === undefined && isConnectionFailure(error)) {
    return `cannot reach ${endpoint}: is it running, and is BUCKET_URL right? (${message})`;
  }
  return `${endpoint} does not answer as an S3 server should: check BUCKET_URL (${message})`;
}

function whatToMendByName(config: S3Config, name: string | undefined, message: string): string | undefined {
  const { bucket, endpoint, region } = config;
  const remedies: Record<string, string> = {
    NoSuchBucket: `no bucket "${bucket}" at ${endpoint}: create it, or set BUCKET_NAME to one that exists`,
    InvalidAccessKeyId: `${endpoint} does not know the access key: check BUCKET_ACCESS_KEY`,
    SignatureDoesNotMatch: `${endpoint} refuses the signature: check BUCKET_SECRET_KEY and BUCKET_REGION`,
    AuthorizationHeaderMalformed: `${endpoint} expects another region than "${region}": check BUCKET_REGION (${message})`,
    PermanentRedirect: `${endpoint} expects another region than "${region}": check BUCKET_REGION (${message})`,
    RequestTimeTooSkewed: `${endpoint} refuses the time of this machine: set its clock`,
  };
  return name === undefined ? undefined : remedies[name];
}

function isConnectionFailure(error: unknown): boolean {
  const { code } = error as S3Failure;
  return (
    nameOf(error) === 'TimeoutError' || (typeof code === 'string' && /^E[A-Z_]+$|^ERR_SSL|^CERT/.test(code))
  );
}

function withoutSecrets(config: S3Config, text: string): string {
  return text.replaceAll(config.secretKey, '[redacted]').replaceAll(config.accessKey, '[redacted]');
}

function nameOf(error: unknown): string | undefined {
  const name = (error as S3Failure | null)?.name;
  return typeof name === 'string' ? name : undefined;
}

function statusOf(error: unknown): number | undefined {
  const status = (error as S3Failure | null)?.$metadata?.httpStatusCode;
  return typeof status === 'number' ? status : undefined;
}
