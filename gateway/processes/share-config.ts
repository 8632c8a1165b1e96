import type { GatewayConfig } from '../config.ts';

/**
 * The environment of one of several serving processes, over the supervising process' own. What bounds the gateway as a
 * whole (memory, connections of one client) is split evenly; each is a gateway of its own among its peers, with
 * its own lease, and answers the operators' requests on a port that only the supervising process knows.
 */
export function environmentOfProcess(config: GatewayConfig, slot: number): Record<string, string> {
  const share = (total: number): string => String(Math.ceil(total / config.GATEWAY_PROCESSES));
  return {
    GATEWAY_PROCESSES: '1',
    GATEWAY_INSTANCE: `${config.GATEWAY_INSTANCE}-${slot}`,
    GATEWAY_ADMIN_HOST: '127.0.0.1',
    GATEWAY_ADMIN_PORT: '0',
    STATIC_CACHE_BYTES: share(config.STATIC_CACHE_BYTES),
    RESPONSE_CACHE_BYTES: share(config.RESPONSE_CACHE_BYTES),
    MAX_CONNECTIONS_PER_CLIENT: share(config.MAX_CONNECTIONS_PER_CLIENT),
  };
}
