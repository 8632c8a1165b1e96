import { fileURLToPath } from 'node:url';
import { resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError, field } from '../core/env.ts';

export type S3Config = {
  kind: 's3';
  /** http: or https: address of the S3 server; buckets are addressed path-style below it. */
  endpoint: string;
  bucket: string;
  region: string;
  accessKey: string;
  secretKey: string;
  connectTimeoutMs: number;
  firstByteTimeoutMs: number;
  idleTimeoutMs: number;
  maxAttempts: number;
  maxSockets: number;
};

export type DirectoryConfig = {
  kind: 'directory';
  /** Absolute path of the directory that holds the objects. */
  root: string;
};

/** Where a program finds the deployments' objects. */
export type StoreConfig = S3Config | DirectoryConfig;

/** The parsed bucket variables, as `readEnvironment` answers them for `storeFields`. */
export type StoreFields = {
  BUCKET_URL: string;
  BUCKET_NAME?: string | undefined;
  BUCKET_REGION: string;
  BUCKET_ACCESS_KEY?: string | undefined;
  BUCKET_SECRET_KEY?: string | undefined;
  BUCKET_CONNECT_TIMEOUT_MS: number;
  BUCKET_FIRST_BYTE_TIMEOUT_MS: number;
  BUCKET_IDLE_TIMEOUT_MS: number;
  BUCKET_MAX_ATTEMPTS: number;
  BUCKET_MAX_SOCKETS: number;
};

type FieldShape = {
  [Name in keyof Required<StoreFields>]: undefined extends StoreFields[Name]
    ? z.ZodOptional<z.ZodType<string>>
    : z.ZodType<StoreFields[Name]>;
};

/** Variables of every program that reads or writes objects: spread into the shape of its environment. */
export const storeFields: FieldShape = {
  /**
   * Where the bucket is: `https://host[:port]` of an S3 server, or `file:///dir` or a path for a directory that
   * stands in for one. Required.
   */
  BUCKET_URL: z.string().transform((text, context) => {
    const problem = whyNoBucketUrl(text);
    if (problem === undefined) return isHttp(text) ? text.replace(/\/+$/, '') : text;
    context.addIssue(problem);
    return z.NEVER;
  }),
  /** Name of the bucket. Required with an http(s) BUCKET_URL, unused with a directory. */
  BUCKET_NAME: field.text().optional(),
  /** Region that signatures name. Default `us-east-1`; Garage wants `garage`. A wrong one is refused by the server. */
  BUCKET_REGION: z.string().default('us-east-1'),
  /** Access key id. Required with an http(s) BUCKET_URL. */
  BUCKET_ACCESS_KEY: field.text().optional(),
  /** Secret access key. Required with an http(s) BUCKET_URL. */
  BUCKET_SECRET_KEY: field.text().optional(),
  /** Milliseconds until a connection must stand. Default 2000. Then the attempt fails and may be repeated. */
  BUCKET_CONNECT_TIMEOUT_MS: field.int(2000, 1, 600_000),
  /** Milliseconds until the answer must begin. Default 5000. Then the attempt fails and may be repeated. */
  BUCKET_FIRST_BYTE_TIMEOUT_MS: field.int(5000, 1, 600_000),
  /**
   * Milliseconds for which the bucket may be silent in the middle of a body. Default 10000. A reader that is
   * slow to take bytes does not count against it.
   */
  BUCKET_IDLE_TIMEOUT_MS: field.int(10_000, 1, 600_000),
  /** How often one call is tried in all, with growing pauses. Default 3; 1 means no retry. */
  BUCKET_MAX_ATTEMPTS: field.int(3, 1, 10),
  /** Connections to the S3 server at most; further calls wait for one. Default 256. */
  BUCKET_MAX_SOCKETS: field.int(256, 1, 10_000),
};

const REQUIRED_WITH_S3 = ['BUCKET_NAME', 'BUCKET_ACCESS_KEY', 'BUCKET_SECRET_KEY'] as const;

/**
 * Adds the rule that an S3 server needs a name and keys to a program's shape, so that a wrong environment
 * reports them together with everything else that is wrong.
 */
export function withStoreRules<Shape extends z.ZodObject>(shape: Shape): Shape {
  return shape.superRefine(
    (value, context) => {
      for (const name of missingS3Fields(value)) {
        context.addIssue({ code: 'custom', path: [name], message: MISSING });
      }
    },
    // Runs even when other fields are wrong: every wrong key is reported at once.
    { when: () => true },
  );
}

const MISSING = 'is required with an http(s) BUCKET_URL';

/** @throws ConfigError when an S3 server is named without what is needed to use it. */
export function toStoreConfig(fields: StoreFields): StoreConfig {
  if (!isHttp(fields.BUCKET_URL)) return { kind: 'directory', root: directoryOf(fields.BUCKET_URL) };
  const { BUCKET_NAME: bucket, BUCKET_ACCESS_KEY: accessKey, BUCKET_SECRET_KEY: secretKey } = fields;
  if (bucket === undefined || accessKey === undefined || secretKey === undefined) {
    throw new ConfigError(
      'store',
      missingS3Fields(fields).map((name) => `${name}: ${MISSING}`),
    );
  }
  return {
    kind: 's3',
    endpoint: fields.BUCKET_URL,
    bucket,
    region: fields.BUCKET_REGION,
    accessKey,
    secretKey,
    connectTimeoutMs: fields.BUCKET_CONNECT_TIMEOUT_MS,
    firstByteTimeoutMs: fields.BUCKET_FIRST_BYTE_TIMEOUT_MS,
    idleTimeoutMs: fields.BUCKET_IDLE_TIMEOUT_MS,
    maxAttempts: fields.BUCKET_MAX_ATTEMPTS,
    maxSockets: fields.BUCKET_MAX_SOCKETS,
  };
}

function missingS3Fields(fields: Partial<StoreFields>): string[] {
  if (fields.BUCKET_URL === undefined || !isHttp(fields.BUCKET_URL)) return [];
  return REQUIRED_WITH_S3.filter((name) => fields[name] === undefined);
}

function isHttp(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

function whyNoBucketUrl(text: string): string | undefined {
  const expected = 'must be an http(s):// URL of an S3 server, file:///dir, or the path of a directory';
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return undefined;
  const url = URL.parse(text);
  if (url === null) return expected;
  if (url.username !== '' || url.password !== '') return 'must not contain a user or password';
  if (url.protocol === 'file:') return url.host === '' ? undefined : expected;
  if (!isHttp(text)) return expected;
  return url.search === '' && url.hash === '' ? undefined : 'must not have a query or fragment';
}

function directoryOf(text: string): string {
  return /^file:/i.test(text) ? fileURLToPath(text) : resolve(text);
}
