import { validateHeaderName, validateHeaderValue, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FlatHeaders } from '../exchange.ts';
import { headLines } from './raw-answer.ts';

/** An answer that lies ready as bytes: only what differs from request to request is put to it. */
export type ReadyAnswer = {
  status: number;
  /** Status line and fields, each with its line's end; Connection is the server's. See `readyHead`. */
  head: string;
  /** Whether the head has a Date of its own, as stored responses do; else the server says it. Default false. */
  hasDate?: boolean;
  body: Buffer | null;
};

/** Above this the kernel gathers head and body itself: copying them together would cost more than a second buffer. */
const MAX_JOINED_BYTES = 65_536;

const BY_SERVER = new Set(['connection', 'keep-alive', 'transfer-encoding']);

/** The head as text; undefined where a field is the server's own to send, or cannot be sent at all. */
export function readyHead(
  status: number,
  headers: FlatHeaders,
): Pick<ReadyAnswer, 'head' | 'hasDate'> | undefined {
  let hasDate = false;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const [name = '', value = ''] = [headers[index], headers[index + 1]];
    const lower = name.toLowerCase();
    if (BY_SERVER.has(lower) || !isSendable(name, value)) return undefined;
    hasDate ||= lower === 'date';
  }
  return { head: headLines(status, headers), hasDate };
}

function isSendable(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

/** Whether the response's bytes would go out now, and another request may follow on the connection. */
export function mayAnswerAtOnce(outgoing: ServerResponse): boolean {
  const { socket } = outgoing;
  // Not the response's turn, or the client reads more slowly than it is answered.
  if (socket === null || socket.destroyed || socket.writableLength > 0) return false;
  return outgoing.shouldKeepAlive;
}

/** Node's response, as far as its own code sets it when it has written a head; unknown to its types. */
type Response = ServerResponse & { _header: string; _headerSent: boolean; finished: boolean };

/**
 * Writes the answer to the socket in one piece and ends the response. Node's own writeHead and end check every field
 * again, send head, body and an empty end as three buffers, and take two more turns of the loop: about 5 us of the
 * 20 that a hit costs. False: the kernel did not take all of it, and the response finishes when it has.
 */
export function sendReady(outgoing: ServerResponse, answer: ReadyAnswer, last: LastFields): boolean {
  const response = outgoing as Response;
  const socket = response.socket as Socket;
  const { status, head, body } = answer;
  response.statusCode = status;
  response._header = head;
  response._headerSent = true;
  response.finished = true;
  write(socket, head + last(answer.hasDate === true), body);
  if (socket.writableLength === 0) {
    response.emit('finish');
    return true;
  }
  socket.write('', (error) => {
    if (error === null || error === undefined) response.emit('finish');
  });
  return false;
}

function write(socket: Socket, head: string, body: Buffer | null): void {
  if (body === null) {
    socket.write(head, 'latin1');
    return;
  }
  if (head.length + body.length > MAX_JOINED_BYTES) {
    socket.cork();
    socket.write(head, 'latin1');
    socket.write(body);
    socket.uncork();
    return;
  }
  const whole = Buffer.allocUnsafe(head.length + body.length);
  whole.write(head, 'latin1');
  whole.set(body, head.length);
  socket.write(whole);
}

/** The fields that end a head, with Date or without. */
export type LastFields = (hasDate: boolean) => string;

/** As Node ends a head on a connection that stays open; Date changes once a second. */
export function createLastFields(keepAliveTimeoutMs: number): LastFields {
  const connection = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveTimeoutMs / 1000)}\r\n\r\n`;
  let second = -1;
  let fields = '';
  return (hasDate) => {
    if (hasDate) return connection;
    const nowMs = Date.now();
    const now = Math.floor(nowMs / 1000);
    if (now !== second) {
      second = now;
      fields = `Date: ${new Date(nowMs).toUTCString()}\r\n${connection}`;
    }
    return fields;
  };
}
