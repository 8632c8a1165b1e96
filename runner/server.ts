import { once } from 'node:events';
import { createServer, ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Registry } from '../core/metrics.ts';
import { INTERNAL_PATH_PREFIX } from '../runner-client/contract.ts';
import { DRAINING, sendOwnAnswer } from './answers.ts';
import { handleCall, handlePrefetch, type CallParts } from './handle-call.ts';
import { readCall } from './read-call.ts';

// Headers of clients (16 KiB at the edge) and of the platform (8 KiB of metadata) together, with room.
const MAX_HEADER_BYTES = 64 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 75_000;
const IDLE_SWEEP_MS = 20;

type Parts = {
  host: string;
  port: number;
  secret: string | undefined;
  call: CallParts;
  registry: Registry;
  log: Logger;
  clock: Clock;
};

export type RunnerServer = {
  port: number;
  /** Refuses new calls, waits for those under way, then closes what is left. */
  drain(timeoutMs: number): Promise<void>;
};

/** Listens for calls. @throws when the port cannot be had. */
export async function startServer(parts: Parts): Promise<RunnerServer> {
  const state = { isDraining: false };
  // Upgraded connections are no longer the HTTP server's: it waits for them, but cannot close them.
  const upgraded = new Set<Socket>();
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    // Bodies are streams, and streams have no total deadline.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  server.on('request', (request, response) => route({ request, response }, parts, state.isDraining));
  server.on('upgrade', (request, socket: Socket, head: Buffer) => {
    if (head.length > 0) socket.unshift(head);
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    const response = responseOn(request, socket);
    route({ request, response, socket }, parts, state.isDraining);
  });
  server.listen({ port: parts.port, host: parts.host });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    drain: (timeoutMs) => {
      state.isDraining = true;
      return drain(server, upgraded, timeoutMs);
    },
  };
}

type Exchange = { request: IncomingMessage; response: ServerResponse; socket?: Socket };

function route(exchange: Exchange, parts: Parts, isDraining: boolean): void {
  const { request, response } = exchange;
  response.on('error', () => {
    // The caller left; the close of the response ends the call.
  });
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  if (path.startsWith(INTERNAL_PATH_PREFIX)) {
    sendText(response, 404, 'Not found');
    return;
  }
  const read = readCall(request, parts.secret, parts.clock.nowMs());
  if (read.kind === 'not-a-call') void answerOperator(response, { path, isDraining, parts });
  else if (isDraining) {
    response.shouldKeepAlive = false;
    sendOwnAnswer(response, DRAINING);
  } else if (read.kind === 'refused') {
    parts.call.metrics.callEnded('refused');
    sendOwnAnswer(response, { status: read.status, text: read.text, reason: 'refused' });
  } else if (read.kind === 'prefetch') void handlePrefetch({ ...exchange, target: read.target }, parts.call);
  else void handleCall({ ...exchange, target: read.target }, parts.call);
}

/** Requests without any header of a function: health and metrics, for a private network. */
async function answerOperator(
  response: ServerResponse,
  { path, isDraining, parts }: { path: string; isDraining: boolean; parts: Parts },
): Promise<void> {
  if (path === '/health') {
    sendText(response, isDraining ? 503 : 200, isDraining ? 'draining' : 'ok');
  } else if (path === '/metrics') {
    response.setHeader('Content-Type', parts.registry.contentType);
    response.end(await parts.registry.metrics());
  } else {
    sendOwnAnswer(response, { status: 400, text: 'Missing required headers', reason: 'refused' });
  }
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end(text);
}

/** Node gives upgrades a bare socket; a refused one is answered like any other request, and the connection ends. */
function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => socket.end());
  socket.on('error', () => socket.destroy());
  return response;
}

async function drain(server: Server, upgraded: ReadonlySet<Socket>, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that is kept alive becomes idle when its call ends: it must not hold the stop up.
  const sweeper = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
  const timer = setTimeout(() => {
    server.closeAllConnections();
    for (const socket of upgraded) socket.destroy();
  }, timeoutMs);
  await closed;
  clearInterval(sweeper);
  clearTimeout(timer);
}
