import { observedGauge, type Registry } from '../core/metrics.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { createMemoryAnswerer } from './answer-from-memory.ts';
import type { GatewayConfig } from './config.ts';
import type { Edge } from './edge.ts';
import type { TrustedProxies } from './functions/forwarded.ts';
import { handleRequest, refuseUnread } from './handle-request.ts';
import { startHttpServer, type HttpServer, type HttpServerOptions } from './server/http-server.ts';
import { openCredentials, type Credentials } from './tls/credentials.ts';

export type TenantParts = {
  edge: Edge;
  store: ObjectStore;
  registry: Registry;
  trustedProxies: TrustedProxies;
};

/** The listeners of tenants' traffic: HTTP, and HTTPS where it is switched on. */
export type TenantServers = {
  port: number;
  tlsPort: number | undefined;
  /** Drains both at once. */
  close(): Promise<void>;
};

/** @throws Error when a port is taken or a certificate's file cannot be used, with nothing left running. */
export async function listenForTenants(config: GatewayConfig, parts: TenantParts): Promise<TenantServers> {
  const options = toOptions(config, parts);
  const credentials = await credentialsFor(config, parts);
  const servers: HttpServer[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
    await credentials?.close();
  };
  try {
    const http = await startHttpServer({ ...options, port: config.GATEWAY_PORT });
    servers.push(http);
    const tls =
      credentials && (await startHttpServer({ ...options, port: config.GATEWAY_TLS_PORT, credentials }));
    if (tls !== undefined) servers.push(tls);
    observedGauge({
      registry: parts.registry,
      name: 'origan_edge_connections',
      help: 'Open connections of clients, tunnels included.',
      read: () => servers.reduce((sum, server) => sum + server.connections(), 0),
    });
    return { port: http.port, tlsPort: tls?.port, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function credentialsFor(
  config: GatewayConfig,
  { edge, store, registry }: TenantParts,
): Promise<Credentials> | undefined {
  if (!config.HAS_TLS_SERVER) return undefined;
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, ORIGAN_DEPLOY_DOMAIN: deployDomain } = config;
  const files = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
  const { TLS_REREAD_AFTER_MS: rereadAfterMs } = config;
  return openCredentials({ files, deployDomain, store, rereadAfterMs, log: edge.log, registry });
}

function toOptions(
  config: GatewayConfig,
  { edge, trustedProxies }: TenantParts,
): Omit<HttpServerOptions, 'port'> {
  return {
    host: config.GATEWAY_HOST,
    limits: {
      maxHeaderBytes: config.MAX_HEADER_BYTES,
      maxHeaders: config.MAX_HEADERS,
      headersTimeoutMs: config.HEADERS_TIMEOUT_MS,
      idleTimeoutMs: config.IDLE_TIMEOUT_MS,
      maxConnectionsPerClient: config.MAX_CONNECTIONS_PER_CLIENT,
    },
    drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
    log: edge.log,
    isSharedAddress: (address) => trustedProxies.has(address),
    answerAtOnce: createMemoryAnswerer(edge),
    onRequest: (incoming, outgoing, problem) => handleRequest(edge, incoming, outgoing, problem),
    onRefused: (problem) => refuseUnread(edge, problem),
  };
}
