import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { RequestEvent } from './record.ts';
import type { Target } from './read-target.ts';

/** Names and values in turn, as `writeHead` takes them: several Set-Cookie stay several. */
export type FlatHeaders = readonly string[];

/** One request on its way through the edge, and where its answer goes. */
export type Exchange = {
  /** Names this request in the log, in error pages and towards the function. */
  readonly id: string;
  readonly method: string;
  /** Lower-case names, as Node joins them. */
  readonly headers: IncomingHttpHeaders;
  readonly target: Target;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Whether the client asks for another protocol on this connection (WebSocket). */
  readonly isUpgrade: boolean;
  /** What happened, filled in by the steps; logged and counted once at the end. */
  readonly event: RequestEvent;
};

/** What the edge answers: the bytes are either at hand or a stream that `respond` reads to its end or destroys. */
export type Answer = {
  status: number;
  /** Complete but for Date and Connection, which the server adds. */
  headers: FlatHeaders;
  body: Buffer | Readable | null;
  /** With status 101: what the client is connected to from then on, and bytes that it has already said. */
  tunnel?: { socket: Duplex; head: Buffer };
};

/** The value of the first header of that name (lower case), or undefined. */
export function headerOf(headers: FlatHeaders, name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === name) return headers[index + 1];
  }
  return undefined;
}
