import type { IncomingMessage, ServerResponse } from 'node:http';
import { EdgeError, messageOf, toEdgeError, type ErrorCode } from '../core/errors.ts';
import type { Edge } from './edge.ts';
import type { Answer } from './exchange.ts';
import { answer } from './flow.ts';
import { noteMapping } from './mapping-status.ts';
import { readTarget } from './read-target.ts';
import type { RequestEvent } from './record.ts';
import { refuse } from './refuse.ts';
import { nextRequestId } from './request-id.ts';
import { respond } from './respond.ts';
import { isUpgrade } from './server/connection.ts';

/** For the record: the client left before it was answered. Not sent to anybody. */
const CLIENT_CLOSED_REQUEST = 499;

// A request that was not understood, or not read to its end: where the next one begins is anybody's guess.
const ENDS_CONNECTION: ReadonlySet<ErrorCode> = new Set([
  'BAD_REQUEST',
  'BAD_HOST',
  'REQUEST_TIMEOUT',
  'BODY_TOO_LARGE',
  'URI_TOO_LONG',
  'EXPECTATION_FAILED',
  'HEADERS_TOO_LARGE',
  'METHOD_NOT_IMPLEMENTED',
  'TRANSFER_CODING_NOT_IMPLEMENTED',
]);

/** A request of which nothing has been checked yet. */
type Arrival = {
  readonly id: string;
  readonly event: RequestEvent;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly isUpgrade: boolean;
};

/**
 * Takes one request from its head to its record: every error becomes a response here, every request one event.
 *
 * @param problem what the server already found to be wrong with the head.
 */
export async function handleRequest(
  edge: Edge,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  problem?: EdgeError,
): Promise<void> {
  const arrival: Arrival = {
    id: nextRequestId(),
    event: edge.recorder.begin(),
    incoming,
    outgoing,
    isUpgrade: isUpgrade(incoming),
  };
  // A response that became a tunnel has let go of its socket, and does not hear of its end.
  const ended = arrival.isUpgrade ? incoming.socket : outgoing;
  ended.once('close', () => record(edge, arrival));
  send(arrival, noteMapping(arrival.event, await answerOrRefuse(edge, arrival, problem)));
}

/** The answer to something that was refused before it was a request, with its event. */
export function refuseUnread(edge: Edge, problem: EdgeError): Answer {
  const id = nextRequestId();
  const event = edge.recorder.begin();
  event.error = problem.code;
  edge.recorder.end(event, { id, method: '', host: '', path: '', status: problem.status, isAborted: false });
  return refuse(problem, id, undefined);
}

async function answerOrRefuse(edge: Edge, arrival: Arrival, problem: EdgeError | undefined): Promise<Answer> {
  try {
    if (problem !== undefined) throw problem;
    const { method = '', headers } = arrival.incoming;
    return await answer(edge, { ...arrival, method, headers, target: readTarget(arrival.incoming) });
  } catch (error) {
    return toRefusal(arrival, error);
  }
}

function send(arrival: Arrival, reply: Answer): void {
  const { outgoing, event } = arrival;
  try {
    respond(outgoing, reply, (cause) => noteBrokenAnswer(event, cause));
  } catch (error) {
    // A head that cannot be written: a status or a header out of all bounds.
    if (reply.body !== null && !Buffer.isBuffer(reply.body)) reply.body.destroy();
    reply.tunnel?.socket.destroy();
    if (outgoing.headersSent) outgoing.destroy();
    else respond(outgoing, toRefusal(arrival, explainUnsendable(event, error)));
  }
}

function explainUnsendable(event: RequestEvent, error: unknown): EdgeError {
  if (error instanceof EdgeError) return error;
  const isFunctions = event.route === 'function' || event.route === 'upgrade';
  const code = isFunctions ? 'RUNNER_BROKE_OFF' : 'INTERNAL';
  return new EdgeError(code, { cause: error, detail: messageOf(error) });
}

/** The head is out: all that can be said now is that the body is not whole. */
function noteBrokenAnswer(event: RequestEvent, cause: Error): void {
  const error = toEdgeError(cause);
  event.error = error.code;
  event.cause = error.message;
}

function toRefusal({ id, event, incoming, outgoing }: Arrival, thrown: unknown): Answer {
  const error = toEdgeError(thrown);
  // What a call says that was aborted because the client left is not an error.
  if (!outgoing.destroyed) {
    event.error = error.code;
    if (error.status >= 500) event.cause = error.message;
  }
  if (ENDS_CONNECTION.has(error.code)) outgoing.shouldKeepAlive = false;
  return refuse(error, id, incoming.headers.accept);
}

function record(edge: Edge, { id, event, incoming, outgoing }: Arrival): void {
  const isTunnel = outgoing.statusCode === 101;
  edge.recorder.end(event, {
    id,
    method: incoming.method ?? '',
    host: incoming.headers.host ?? '',
    path: incoming.url ?? '',
    status: outgoing.headersSent ? outgoing.statusCode : CLIENT_CLOSED_REQUEST,
    isAborted: !outgoing.writableFinished && !isTunnel,
  });
}
