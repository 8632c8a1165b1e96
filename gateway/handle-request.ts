import type { IncomingMessage, ServerResponse } from 'node:http';
import { toEdgeError, type EdgeError } from '../core/errors.ts';
import type { Edge } from './edge.ts';
import type { Answer } from './exchange.ts';
import { answer } from './flow.ts';
import { readTarget } from './read-target.ts';
import type { RequestEvent } from './record.ts';
import { refuse } from './refuse.ts';
import { nextRequestId } from './request-id.ts';
import { respond } from './respond.ts';

/** A request of which nothing has been checked yet. */
type Arrival = { id: string; event: RequestEvent; incoming: IncomingMessage; outgoing: ServerResponse };

/** Takes one request from its head to its record: every error becomes a response here, every request one event. */
export async function handleRequest(
  edge: Edge,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const arrival: Arrival = { id: nextRequestId(), event: edge.recorder.begin(), incoming, outgoing };
  outgoing.once('close', () => record(edge, arrival));
  try {
    const reply = await answerOrRefuse(edge, arrival);
    await respond(outgoing, reply, incoming.method ?? '');
  } catch (error) {
    // The head is out: all that can be said now is that the body is not whole.
    arrival.event.cause ??= toEdgeError(error).message;
    outgoing.destroy();
  }
}

async function answerOrRefuse(edge: Edge, arrival: Arrival): Promise<Answer> {
  try {
    const { method = '', headers } = arrival.incoming;
    return await answer(edge, {
      ...arrival,
      method,
      headers,
      target: readTarget(arrival.incoming),
      isUpgrade: false,
    });
  } catch (error) {
    return toRefusal(toEdgeError(error), arrival);
  }
}

function toRefusal(error: EdgeError, { id, event, incoming }: Arrival): Answer {
  event.error = error.code;
  if (error.status >= 500) event.cause = error.message;
  const reply = refuse(error, id, incoming.headers.accept);
  return event.allow === undefined ? reply : { ...reply, headers: [...reply.headers, 'Allow', event.allow] };
}

function record(edge: Edge, { id, event, incoming, outgoing }: Arrival): void {
  edge.recorder.end(event, {
    id,
    method: incoming.method ?? '',
    host: incoming.headers.host ?? '',
    path: incoming.url ?? '',
    status: outgoing.statusCode,
    isAborted: !outgoing.writableFinished,
  });
}
