import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Closable } from '../../core/lifecycle.ts';
import type { ControlApiConfig } from '../config.ts';

const HEADERS_TIMEOUT_MS = 10_000;
// Uploads may be large and lines slow.
const REQUEST_TIMEOUT_MS = 3_600_000;
const DRAIN_MS = 10_000;

type FetchCallback = Parameters<typeof createAdaptorServer>[0]['fetch'];

export type Listening = Closable & { address: AddressInfo };

/** Listens on the configured address. Closing lets requests under way finish, for ten seconds at most. */
export async function listen(
  fetch: FetchCallback,
  config: Pick<ControlApiConfig, 'CONTROL_API_HOST' | 'CONTROL_API_PORT'>,
): Promise<Listening> {
  const server = createAdaptorServer({
    fetch,
    serverOptions: { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
  }) as Server;
  server.listen(config.CONTROL_API_PORT, config.CONTROL_API_HOST);
  await once(server, 'listening');
  let closed: Promise<void> | undefined;
  return { address: server.address() as AddressInfo, close: () => (closed ??= drain(server)) };
}

async function drain(server: Server): Promise<void> {
  const ended = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await ended;
  clearTimeout(timer);
}
