import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import type { Logger } from '../../core/log.ts';

export type ServerLimits = {
  maxHeaderBytes: number;
  maxHeaders: number;
  headersTimeoutMs: number;
  idleTimeoutMs: number;
  maxConnectionsPerClient: number;
};

export type HttpServerOptions = {
  host: string;
  port: number;
  limits: ServerLimits;
  drainTimeoutMs: number;
  log: Logger;
  onRequest: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>;
  onUpgrade: (incoming: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>;
};

export type HttpServer = {
  port: number;
  /** Takes no new connections, lets what runs finish, ends what is left after the drain time. */
  close(): Promise<void>;
};

/** The listener of tenants' traffic, with the limits that protect it. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const listener = toListener(options.onRequest);
  const server = createServer({
    maxHeaderSize: options.limits.maxHeaderBytes,
    headersTimeout: options.limits.headersTimeoutMs,
    keepAliveTimeout: options.limits.idleTimeoutMs,
    // A body may take as long as it takes: uploads are bounded in bytes and by the idle limits.
    requestTimeout: 0,
    connectionsCheckingInterval: 1000,
    insecureHTTPParser: false,
  });
  server.maxHeadersCount = options.limits.maxHeaders;
  server.on('request', listener);
  // The function is asked for its body only when the call begins; see bodyOf in call-function.ts.
  server.on('checkContinue', listener);
  server.on('checkExpectation', listener);
  server.on('upgrade', (incoming, socket, head) => {
    options.onUpgrade(incoming, socket, head).catch(() => socket.destroy());
  });
  server.on('clientError', answerClientError);
  limitConnections(server, options.limits.maxConnectionsPerClient);
  await listen(server, options.port, options.host);
  return { port: (server.address() as AddressInfo).port, close: () => drain(server, options) };
}

function toListener(
  onRequest: HttpServerOptions['onRequest'],
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.all('*', async (context) => {
    await onRequest(context.env.incoming, context.env.outgoing);
    return RESPONSE_ALREADY_SENT;
  });
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    autoCleanupIncoming: false,
  });
  return (incoming, outgoing) => void listener(incoming, outgoing);
}

/** What Node's parser refuses never becomes a request; the status says why (RFC 9112 section 3, RFC 6585 section 5). */
function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n`,
  );
}

function limitConnections(server: Server, maxPerClient: number): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left <= 0) open.delete(address);
      else open.set(address, left);
    });
    if (count > maxPerClient) {
      socket.end(
        'HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n',
      );
    }
  });
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function drain(server: Server, { drainTimeoutMs, log }: HttpServerOptions): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      log.warn({ drainTimeoutMs }, 'requests still running after the drain time: ending them');
      server.closeAllConnections();
    }, drainTimeoutMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
