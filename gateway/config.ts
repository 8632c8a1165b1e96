import { isIP } from 'node:net';
import { availableParallelism, hostname } from 'node:os';
import { z } from 'zod';
import { cacheFields, toCacheConfig, type CacheConfig } from '../cache/config.ts';
import { ConfigError, field, readEnvironment, type Environment } from '../core/env.ts';
import { normalizeHost } from '../core/host.ts';
import { runnerClientFields, type RunnerClientConfig } from '../runner-client/config.ts';
import { storeFields, toStoreConfig, withStoreRules, type StoreConfig } from '../store/config.ts';

const MIB = 1024 * 1024;

const cidrList = field.list().refine((list) => list.every(isCidr), {
  error: 'must be a comma-separated list of addresses or CIDR ranges, such as 10.0.0.0/8',
});

const processes = field
  .text()
  .default('1')
  .refine((text) => text === 'auto' || /^[1-9]\d{0,2}$/.test(text), {
    error: 'must be a number from 1 to 999, or auto',
  })
  .transform((text) => (text === 'auto' ? availableParallelism() : Number(text)));

/** The gateway's environment, read once at start. */
export type GatewayConfig = Readonly<
  GatewayVariables & { cache: CacheConfig; store: StoreConfig; runnerClient: RunnerClientConfig }
>;

type GatewayVariables = {
  /**
   * Processes that serve on the same ports, for machines with several cores: a number, or `auto` for one for each core
   * that this process may use. What bounds the gateway (memory, connections of one client) is split among them. Default 1.
   */
  GATEWAY_PROCESSES: number;
  /** Address to listen on for tenants' traffic. Default: every interface. */
  GATEWAY_HOST: string;
  /** Port of tenants' HTTP traffic; 0 takes a free one. Default 7777. */
  GATEWAY_PORT: number;
  /** Whether to serve HTTPS as well. Default false. */
  HAS_TLS_SERVER: boolean;
  /** Port of tenants' HTTPS traffic; 0 takes a free one. Default 7778. */
  GATEWAY_TLS_PORT: number;
  /**
   * PEM files of the certificate (intermediate ones after it) and the key for the hosts below ORIGAN_DEPLOY_DOMAIN and for
   * clients without SNI; read again when they change. Both or neither; every other host has its own in the bucket.
   */
  TLS_CERT_FILE?: string | undefined;
  TLS_KEY_FILE?: string | undefined;
  /** Milliseconds after which a certificate of the bucket is read again, beside its use. Default 5 minutes. */
  TLS_REREAD_AFTER_MS: number;
  /** Address of health, readiness and metrics. Default: this machine only. */
  GATEWAY_ADMIN_HOST: string;
  /** Port of health, readiness and metrics; 0 takes a free one. Default 7779. */
  GATEWAY_ADMIN_PORT: number;
  /** Name of this gateway among its peers: in leases, acknowledgements and the admin page. Default: host name and process id. */
  GATEWAY_INSTANCE: string;
  /** Domain below which projects get their hosts, such as `origan.app`; normalised. */
  ORIGAN_DEPLOY_DOMAIN?: string | undefined;
  /** Base URL of the control API. Required. */
  CONTROL_API_URL: string;
  /** Procedure that answers what a domain shows. Default `deployments.getConfigByDomain`. */
  CONTROL_API_PROCEDURE: string;
  /** Deadline of one look-up at the control API, milliseconds. Default 2000. */
  CONTROL_API_TIMEOUT_MS: number;
  /** Memory for static files, bytes. Default 500 MiB. */
  STATIC_CACHE_BYTES: number;
  /** Static files larger than this, in bytes, stream from the bucket without passing through memory. Default 8 MiB. */
  STATIC_MAX_ENTRY_BYTES: number;
  /** Memory for stored responses of functions, bytes, beside that for static files; 0 stores none there. Default 128 MiB. */
  RESPONSE_CACHE_BYTES: number;
  /** Responses of functions larger than this, in bytes, are not stored. Default 8 MiB. */
  RESPONSE_CACHE_MAX_ENTRY_BYTES: number;
  /** Largest request body, bytes: more is 413. Default 100 MiB. */
  MAX_BODY_BYTES: number;
  /** Largest request head, bytes: more is 431. Default 16 KiB. */
  MAX_HEADER_BYTES: number;
  /** Most headers of a request. Default 100. */
  MAX_HEADERS: number;
  /** Time for a request's head to arrive, milliseconds: later is 408. Default 10 s. */
  HEADERS_TIMEOUT_MS: number;
  /** Time that a connection may be idle between requests, milliseconds. Default 60 s. */
  IDLE_TIMEOUT_MS: number;
  /** Most connections from one address at once. Default 1000. */
  MAX_CONNECTIONS_PER_CLIENT: number;
  /** Time for running requests to finish after SIGTERM, milliseconds. Default 30 s. */
  DRAIN_TIMEOUT_MS: number;
  /** Proxies in front whose X-Forwarded-* headers are believed: addresses or CIDR ranges. Default: none. */
  TRUSTED_PROXIES: readonly string[];
  /** One log line for each request. Default true. */
  ACCESS_LOG: boolean;
  /** Lowest level logged: trace, debug, info, warn, error, fatal, silent. Default info. */
  LOG_LEVEL: string;
};

const ownFields = {
  GATEWAY_PROCESSES: processes,
  GATEWAY_HOST: field.text().default('0.0.0.0'),
  GATEWAY_PORT: field.int(7777, 0, 65_535),
  HAS_TLS_SERVER: field.bool(false),
  GATEWAY_TLS_PORT: field.int(7778, 0, 65_535),
  TLS_CERT_FILE: field.text().optional(),
  TLS_KEY_FILE: field.text().optional(),
  TLS_REREAD_AFTER_MS: field.int(300_000, 100, 86_400_000),
  GATEWAY_ADMIN_HOST: field.text().default('127.0.0.1'),
  GATEWAY_ADMIN_PORT: field.int(7779, 0, 65_535),
  GATEWAY_INSTANCE: field.text().default(`${hostname()}-${process.pid}`),
  ORIGAN_DEPLOY_DOMAIN: field.text().optional(),
  CONTROL_API_URL: field.httpUrl(),
  CONTROL_API_PROCEDURE: field.text().default('deployments.getConfigByDomain'),
  CONTROL_API_TIMEOUT_MS: field.int(2000, 1, 60_000),
  STATIC_CACHE_BYTES: field.int(500 * MIB, 0),
  STATIC_MAX_ENTRY_BYTES: field.int(8 * MIB, 0),
  RESPONSE_CACHE_BYTES: field.int(128 * MIB, 0),
  RESPONSE_CACHE_MAX_ENTRY_BYTES: field.int(8 * MIB, 0),
  MAX_BODY_BYTES: field.int(100 * MIB, 0),
  MAX_HEADER_BYTES: field.int(16 * 1024, 1024),
  MAX_HEADERS: field.int(100, 10),
  HEADERS_TIMEOUT_MS: field.int(10_000, 100),
  IDLE_TIMEOUT_MS: field.int(60_000, 100),
  MAX_CONNECTIONS_PER_CLIENT: field.int(1000, 1),
  DRAIN_TIMEOUT_MS: field.int(30_000, 0),
  TRUSTED_PROXIES: cidrList,
  ACCESS_LOG: field.bool(true),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
};

const shape = withStoreRules(
  z.object({ ...cacheFields, ...storeFields, ...runnerClientFields, ...ownFields }),
);

/** @throws ConfigError naming every wrong variable. */
export function readGatewayConfig(env: Environment): GatewayConfig {
  const variables = readEnvironment('gateway', shape, env);
  requireBothOrNeither(variables);
  const { ORIGAN_DEPLOY_DOMAIN: domain } = variables;
  return {
    ...variables,
    ORIGAN_DEPLOY_DOMAIN: domain === undefined ? undefined : normalizeHost(domain),
    cache: toCacheConfig(variables),
    store: toStoreConfig(variables),
    runnerClient: variables,
  };
}

function requireBothOrNeither({ HAS_TLS_SERVER, TLS_CERT_FILE, TLS_KEY_FILE }: GatewayVariables): void {
  if (!HAS_TLS_SERVER || (TLS_CERT_FILE === undefined) === (TLS_KEY_FILE === undefined)) return;
  const [missing, given] =
    TLS_CERT_FILE === undefined ? ['TLS_CERT_FILE', 'TLS_KEY_FILE'] : ['TLS_KEY_FILE', 'TLS_CERT_FILE'];
  throw new ConfigError('gateway', [`${missing}: is required together with ${given}`]);
}

function isCidr(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32));
}
