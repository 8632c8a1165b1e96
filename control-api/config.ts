import { z } from 'zod';
import { field, readEnvironment, type Environment } from '../core/env.ts';
import { normalizeHost } from '../core/host.ts';
import { acmeFields, type AcmeFields } from './certificates/config.ts';

/** Everything that the control API takes from its environment, apart from the bucket's and the cache's part. */
export type ControlApiConfig = Readonly<{
  CONTROL_API_HOST: string;
  CONTROL_API_PORT: number;
  CONTROL_API_ADMIN_HOST: string;
  CONTROL_API_ADMIN_PORT: number;
  ORIGAN_DEPLOY_DOMAIN: string;
  ORIGAN_PUBLIC_SCHEME: 'http' | 'https' | undefined;
  ORIGAN_STATE_DIR: string;
  DATABASE_URL: string | undefined;
  DATABASE_POOL_SIZE: number;
  CONTROL_API_TOKEN: string | undefined;
  ENVIRONMENT_KEY: Buffer | undefined;
  GITHUB_APP_ID: string | undefined;
  GITHUB_APP_PRIVATE_KEY: string | undefined;
  GITHUB_API_URL: string;
  GITHUB_WEBHOOK_SECRET: string | undefined;
  MAX_OBJECT_BYTES: number;
  MAX_CONCURRENT_UPLOADS: number;
  DEPLOYMENT_RETENTION: number;
  UNFINISHED_DEPLOYMENT_TIMEOUT_MS: number;
  SWEEP_INTERVAL_MS: number;
  LOG_LEVEL: string;
}> &
  Readonly<AcmeFields>;

type Shape = z.ZodObject<{ [Name in keyof ControlApiConfig]-?: z.ZodType<ControlApiConfig[Name]> }>;

/** The variables, for programs that read several parts' environments at once. */
export const controlApiShape: Shape = z.object({
  /** Address to listen on. Default `127.0.0.1`; `0.0.0.0` inside a container. */
  CONTROL_API_HOST: z.string().default('127.0.0.1'),
  /** Port to listen on. Default 7780; 0 takes a free one. */
  CONTROL_API_PORT: field.int(7780, 0, 65_535),
  /** Address of `/metrics`, `/healthz`, `/readyz` and `/status`, which take no token. Default `127.0.0.1`. */
  CONTROL_API_ADMIN_HOST: z.string().default('127.0.0.1'),
  /** Port of these. Default 7781; 0 takes a free one. */
  CONTROL_API_ADMIN_PORT: field.int(7781, 0, 65_535),
  /** `D` in `{ref}.D`: the domain below which every project gets its hosts; a port is allowed. Required. */
  ORIGAN_DEPLOY_DOMAIN: z.string().transform((text, context) => {
    const host = normalizeHost(text);
    if (host !== undefined) return host;
    context.addIssue('must be a host name, such as example.app or localhost:7777');
    return z.NEVER;
  }),
  /** `http` or `https`, in the URLs that are answered. Default: http below localhost or with a port, else https. */
  ORIGAN_PUBLIC_SCHEME: z.enum(['http', 'https'], 'must be http or https').optional(),
  /** Directory of what this program keeps on disk: the embedded database, a generated token. Default `.origan`. */
  ORIGAN_STATE_DIR: z.string().default('.origan'),
  /** `postgres://user:password@host/database`. Default: a database embedded in this process, below the state directory. */
  DATABASE_URL: z
    .string()
    .regex(/^postgres(?:ql)?:\/\/[^/]+\/.+/, 'must be postgres://user:password@host:port/database')
    .optional(),
  /** Connections to a PostgreSQL server at most. Default 10. */
  DATABASE_POOL_SIZE: field.int(10, 1, 1000),
  /**
   * Token of the installation's first administrator. Default: generated once into `control-api-token` below the state
   * directory, readable by this user only. A changed token replaces the one before.
   */
  CONTROL_API_TOKEN: z.string().min(24, 'must have at least 24 characters').optional(),
  /**
   * 32 bytes in hex or base64, the same as the runner's: environment variables are sealed with it wherever they are
   * kept or sent. Default: not sealed, which is for development.
   */
  ENVIRONMENT_KEY: z
    .string()
    .transform((text, context) => {
      const key = Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? 'hex' : 'base64');
      if (key.length === 32) return key;
      context.addIssue('must be 32 bytes in hex or base64: openssl rand -base64 32');
      return z.NEVER;
    })
    .optional(),
  /** Id of the GitHub App whose installations builds read from. Default: no GitHub. */
  GITHUB_APP_ID: z
    .string()
    .regex(/^\w{1,40}$/, 'must be the id of a GitHub App')
    .optional(),
  /** The App's private key, PEM or base64 of it. */
  GITHUB_APP_PRIVATE_KEY: z
    .string()
    .transform((text, context) => {
      const pem = text.includes('-----BEGIN')
        ? text.replaceAll('\\n', '\n')
        : Buffer.from(text, 'base64').toString();
      if (/^-----BEGIN (?:RSA )?PRIVATE KEY-----/.test(pem)) return pem;
      context.addIssue('must be a private key in PEM, or base64 of one');
      return z.NEVER;
    })
    .optional(),
  /** Where GitHub's REST interface is. Default `https://api.github.com`; an enterprise server has its own. */
  GITHUB_API_URL: field.httpUrl().default('https://api.github.com'),
  /** Secret of the App's webhook, which tells of removed installations. Default: no webhook. */
  GITHUB_WEBHOOK_SECRET: z.string().min(16, 'must have at least 16 characters').optional(),
  /** Largest single file of a deployment, in bytes. Default 512 MiB. */
  MAX_OBJECT_BYTES: field.int(512 * 1024 * 1024, 1),
  /** How many uploads a client is told to run at once. Default 8. */
  MAX_CONCURRENT_UPLOADS: field.int(8, 1, 256),
  /**
   * Successful deployments kept for each track besides the one shown and those replaced within 30 days, where the track
   * says nothing. Default 20.
   */
  DEPLOYMENT_RETENTION: field.int(20, 0, 100_000),
  /** Milliseconds after which a deployment that was begun and not heard of since is given up. Default 1 hour. */
  UNFINISHED_DEPLOYMENT_TIMEOUT_MS: field.int(3_600_000, 1000),
  /** Milliseconds between two runs of the collector of what nothing needs any more. Default 10 minutes; 0 is never. */
  SWEEP_INTERVAL_MS: field.int(600_000, 0),
  /** Lowest level logged: trace, debug, info, warn, error, fatal, silent. Default info. */
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'must be a level, such as info')
    .default('info'),
  ...acmeFields,
});

/** @throws ConfigError naming every wrong variable. */
export function readControlApiConfig(env: Environment): ControlApiConfig {
  return readEnvironment('control-api', withControlApiRules(controlApiShape), env);
}

const GITHUB_APP = ['GITHUB_APP_ID', 'GITHUB_APP_PRIVATE_KEY'] as const;

/** The shape, refusing half a GitHub App: it would look configured and answer nobody. */
export function withControlApiRules<Given extends z.ZodObject>(shape: Given): Given {
  return shape.superRefine(
    (value, context) => {
      const missing = GITHUB_APP.filter((name) => value[name] === undefined);
      if (missing.length !== 1) return;
      const given = GITHUB_APP.find((name) => !missing.includes(name));
      for (const name of missing) {
        context.addIssue({ code: 'custom', path: [name], message: `is required with ${given}` });
      }
    },
    // Runs even when other fields are wrong: every wrong key is reported at once.
    { when: () => true },
  );
}
