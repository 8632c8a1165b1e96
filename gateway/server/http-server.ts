import {
  createServer,
  ServerResponse,
  type IncomingMessage,
  type Server,
  type ServerOptions,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { EdgeError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { Answer } from '../exchange.ts';
import { createTlsServer } from '../tls/create-tls-server.ts';
import type { Credentials } from '../tls/credentials.ts';
import { checkHead } from './check-head.ts';
import { Connections } from './connections.ts';
import { drain } from './drain.ts';
import { holdHandshake } from './handshake.ts';
import { lingerAndClose } from './linger.ts';
import { explainParserError, type ParserError } from './malformed.ts';
import { formatRawAnswer } from './raw-answer.ts';
import { createLastFields, mayAnswerAtOnce, sendReady, type ReadyAnswer } from './ready-answer.ts';
import { toListener } from './to-listener.ts';
import { mayUpgrade } from './upgrade.ts';

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
  /** Certificates: then it speaks HTTPS. Default: plain HTTP. */
  credentials?: Credentials | undefined;
  /** Addresses whose connections are not counted per client: proxies in front. Default: none. */
  isSharedAddress?: (address: string) => boolean;
  /** The answer to what needs no waiting; undefined: `onRequest` is asked. */
  answerAtOnce?: (incoming: IncomingMessage, outgoing: ServerResponse) => ReadyAnswer | undefined;
  /** Answers a request, an upgrade too; `problem` says what is wrong with its head. Never rejects. */
  onRequest: (incoming: IncomingMessage, outgoing: ServerResponse, problem?: EdgeError) => Promise<void>;
  /** The answer to something that never became a request. */
  onRefused: (problem: EdgeError) => Answer;
};

export type HttpServer = {
  port: number;
  /** Open connections, tunnels included. */
  connections(): number;
  /** Takes no new connections, lets what runs finish, ends what is left after the drain time. */
  close(): Promise<void>;
};

/** The listener of tenants' traffic, with the limits that protect it. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { limits, log, credentials } = options;
  const server: Server =
    credentials === undefined
      ? createServer(toServerOptions(limits))
      : createTlsServer(toServerOptions(limits), credentials);
  // Beyond its count Node would drop headers and go on: the size bounds them, and checkHead counts.
  server.maxHeadersCount = 0;
  const connections = new Connections({
    maxPerClient: limits.maxConnectionsPerClient,
    isShared: options.isSharedAddress ?? (() => false),
    refuse: (socket) => refuseConnection(socket, options.onRefused(new EdgeError('TOO_MANY_CONNECTIONS'))),
  });
  // Of TLS, what has not finished its handshake is no connection yet: that has a limit in time of its own.
  const arrival = credentials === undefined ? 'connection' : 'secureConnection';
  server.on(arrival, (socket: Socket) => connections.add(socket));
  takeRequests(server, connections, options);
  takeUpgrades(server, connections, options);
  server.on('clientError', (error, socket) => onClientError({ connections, options }, error, socket));
  server.setTimeout(limits.idleTimeoutMs, (socket) => connections.of(socket)?.onIdle());
  const overdue = watchOverdue(connections, limits);
  server.once('close', () => clearInterval(overdue));
  await listen(server, options.port, options.host);
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const { drainTimeoutMs } = options;
  const { headersTimeoutMs } = limits;
  return {
    port,
    connections: () => connections.size,
    close: () => (closing ??= drain(server, connections, { drainTimeoutMs, headersTimeoutMs, log })),
  };
}

function toServerOptions(limits: ServerLimits): ServerOptions {
  return {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    // A body may take as long as it takes: uploads are bounded in bytes and by the idle limit.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs),
    insecureHTTPParser: false,
    // Answered by the flow like any other malformed request, and recorded.
    requireHostHeader: false,
    shouldUpgradeCallback: mayUpgrade,
    // A request without a body needs no stream that says so: a tenth of what a hit costs.
    optimizeEmptyRequests: true,
  };
}

function takeRequests(server: Server, connections: Connections, options: HttpServerOptions): void {
  const { maxHeaders } = options.limits;
  const throughHono = toListener(options.onRequest);
  const { answerAtOnce } = options;
  const lastFields = createLastFields(server.keepAliveTimeout);
  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const connection = connections.of(incoming.socket);
    if (connection === undefined || connection.isRefused) return;
    const problem = checkHead(incoming, maxHeaders);
    if (answerAtOnce && problem === undefined && connection.isFree && mayAnswerAtOnce(outgoing)) {
      const answer = answerAtOnce(incoming, outgoing);
      if (answer !== undefined) {
        if (sendReady(outgoing, answer, lastFields)) connection.rest();
        else connection.enter(incoming, outgoing, () => {});
        return;
      }
    }
    connection.enter(incoming, outgoing, () => {
      if (problem !== undefined) void options.onRequest(incoming, outgoing, problem);
      else throughHono(incoming, outgoing);
    });
  };
  server.on('request', onRequest);
  // The client is told to go on only when its body is wanted, see functions/upload.ts.
  server.on('checkContinue', onRequest);
  server.on('checkExpectation', onRequest);
}

/** Node hands over the bare socket: the flow gets a response on it, which it can answer with or turn into a tunnel. */
function takeUpgrades(server: Server, connections: Connections, options: HttpServerOptions): void {
  const onUpgrade = (incoming: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const connection = connections.of(socket);
    // Node has taken its own listeners away: until others come, a reset must not end the process.
    socket.on('error', () => socket.destroy());
    if (connection === undefined || connection.isRefused) return;
    const outgoing = new ServerResponse(incoming);
    outgoing.shouldKeepAlive = false;
    outgoing.once('finish', () => lingerAndClose(socket));
    holdHandshake(socket, head, () => {
      if (!outgoing.writableEnded) socket.destroy();
    });
    connection.enter(incoming, outgoing, () => {
      outgoing.assignSocket(socket as Socket);
      void options.onRequest(incoming, outgoing, checkHead(incoming, options.limits.maxHeaders));
    });
  };
  server.on('upgrade', onUpgrade);
  server.on('connect', onUpgrade);
}

/** Later than Node itself, which says 408 where a head has begun. */
function watchOverdue(connections: Connections, { headersTimeoutMs }: ServerLimits): NodeJS.Timeout {
  const everyMs = Math.min(1000, headersTimeoutMs);
  const limitMs = headersTimeoutMs + 2 * everyMs;
  return setInterval(() => connections.destroyOverdue(performance.now(), limitMs), everyMs).unref();
}

type Wiring = { connections: Connections; options: HttpServerOptions };

/** What Node's parser refuses never becomes a request; the status says why (RFC 9112 section 3, RFC 6585 section 5). */
function onClientError({ connections, options }: Wiring, error: ParserError, socket: Duplex): void {
  const connection = connections.of(socket);
  // Answered and on its way out: what still comes does not matter.
  if (socket.writableEnded || connection?.isRefused === true) return;
  const problem = explainParserError(error, socket);
  // Nobody to tell; or a connection made in advance and never used, which no client expects an answer on.
  const isUnused = problem?.code === 'REQUEST_TIMEOUT' && 'bytesRead' in socket && socket.bytesRead === 0;
  if (problem === undefined || connection === undefined || isUnused) {
    socket.destroy();
    return;
  }
  connection.fail(problem, () => {
    if (socket.writable) refuseConnection(socket, options.onRefused(problem));
  });
}

function refuseConnection(socket: Duplex, answer: Answer): void {
  socket.write(formatRawAnswer(answer));
  lingerAndClose(socket);
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
