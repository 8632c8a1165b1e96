import { z } from 'zod';
import { certificatesDiagnosisSchema, type CertificatesDiagnosis } from './certificates.ts';
import { API_PREFIX } from './control-api.ts';

/** POST: `Diagnosis` (installation admins only). */
export const diagnosisPath = (): string => `${API_PREFIX}/diagnosis`;

export type BucketRight = 'write' | 'read' | 'list' | 'delete';

/** How a program reaches the cache server. */
export type CacheAccess = {
  /** Null: the default user. */
  user: string | null;
  hasPassword: boolean;
  isTls: boolean;
  /** Whether the server is on the same machine. */
  isLocal: boolean;
};

export type TlsProblem =
  | 'expired'
  | 'not-yet-valid'
  | 'self-signed'
  | 'unknown-issuer'
  | 'wrong-name'
  | 'wants-certificate'
  | 'server-speaks-no-tls'
  | 'server-wants-tls'
  | 'ca-file'
  | 'unreachable'
  | 'other';

/** How the encrypted way to the cache server was found. */
export type CacheTls = {
  /** `host:port` */
  address: string;
  /** Null: it stands, and the certificate is trusted. */
  problem: TlsProblem | null;
  detail: string;
  /** When the certificate ends. */
  validToMs: number | null;
};

/** What the cache server says of itself; null where it does not. */
export type CacheServerFacts = {
  software: string | null;
  memoryUsedBytes: number | null;
  /** 0: no limit. */
  memoryLimitBytes: number | null;
  memoryRejections: number | null;
  /** As the server calls it: `allkeys-lru`, `noeviction`, `cache`, `store`. */
  evictionPolicy: string | null;
  isEvicting: boolean | null;
};

/** What the control API found when it tried each of its parts. `problem` is null where all is well. */
export type Diagnosis = {
  /** Tried with an object of its own. */
  bucket: { kind: string; problems: { right: BucketRight; problem: string }[] };
  database: {
    kind: string;
    /** The database's clock less the control API's; null: it does not answer. */
    skewMs: number | null;
    problem: string | null;
  };
  migrations: { pending: string[]; problem: string | null };
  cache: {
    state: 'up' | 'down' | 'disabled' | 'memory';
    access: CacheAccess | null;
    /** Null: there is no encryption, and none is wanted; or a control API that does not look. */
    tls: CacheTls | null;
    server: CacheServerFacts | null;
    problem: string | null;
  };
  /** Which gateways confirmed a message that concerns nobody, and which hold a lease and did not. */
  bus: { acknowledged: string[]; silent: string[]; isComplete: boolean; durationMs: number };
  /** What the cache has not been told of yet; null: the database does not say. */
  untold: number | null;
  /** Null: certificates are not ordered. */
  certificates: CertificatesDiagnosis | null;
  /** Whether variables of functions are sealed wherever they are kept. */
  isEnvironmentSealed: boolean;
};

const text = z.string().nullable();
const number = z.number().nullable();

export const diagnosisSchema: z.ZodType<Diagnosis> = z.object({
  bucket: z.object({
    kind: z.string(),
    problems: z.array(z.object({ right: z.enum(['write', 'read', 'list', 'delete']), problem: z.string() })),
  }),
  database: z.object({ kind: z.string(), skewMs: number, problem: text }),
  migrations: z.object({ pending: z.array(z.string()), problem: text }),
  cache: z.object({
    state: z.enum(['up', 'down', 'disabled', 'memory']),
    access: z
      .object({ user: text, hasPassword: z.boolean(), isTls: z.boolean(), isLocal: z.boolean() })
      .nullable(),
    tls: z
      .object({
        address: z.string(),
        problem: z
          .enum([
            'expired',
            'not-yet-valid',
            'self-signed',
            'unknown-issuer',
            'wrong-name',
            'wants-certificate',
            'server-speaks-no-tls',
            'server-wants-tls',
            'ca-file',
            'unreachable',
            'other',
          ])
          .nullable(),
        detail: z.string(),
        validToMs: number,
      })
      .nullable()
      .default(null),
    server: z
      .object({
        software: text,
        memoryUsedBytes: number,
        memoryLimitBytes: number,
        memoryRejections: number,
        evictionPolicy: text,
        isEvicting: z.boolean().nullable(),
      })
      .nullable(),
    problem: text,
  }),
  bus: z.object({
    acknowledged: z.array(z.string()),
    silent: z.array(z.string()),
    isComplete: z.boolean(),
    durationMs: z.number(),
  }),
  untold: number,
  // Control APIs of before do not speak of them.
  certificates: certificatesDiagnosisSchema.nullable().default(null),
  isEnvironmentSealed: z.boolean(),
});
