import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import type { EdgeError } from '../core/errors.ts';
import {
  DEPLOYMENT_ID_HEADER,
  FUNCTION_PATH_HEADER,
  PLATFORM_HEADER_PREFIX,
  PROJECT_ID_HEADER,
  REQUEST_ID_HEADER,
  RUNNER_ERROR_HEADER,
} from '../runner-client/contract.ts';
import { Exchange, type Outcome } from '../runner-client/exchange.ts';
import { RequestBody } from '../runner-client/request-body.ts';
import type { FunctionReply, HeaderList } from '../runner-client/runner-client.ts';
import { CONNECTION_HEADERS, fieldValue } from '../runner-client/wire-headers.ts';
import type { FunctionProcess } from './function-process.ts';
import { SCHEME_HEADER } from './workerd-config.ts';

/** Platform headers that a function may see; everything else of the platform, secrets above all, stays here. */
const SHOWN: ReadonlySet<string> = new Set([
  DEPLOYMENT_ID_HEADER,
  PROJECT_ID_HEADER,
  FUNCTION_PATH_HEADER,
  REQUEST_ID_HEADER,
]);

/** What came back from a function's process. */
export type Forwarded =
  | { kind: 'reply'; reply: FunctionReply }
  | { kind: 'switched'; headers: HeaderList; socket: Duplex }
  /** The function threw, or could not be loaded. `isReported`: it has printed the error itself, with its stack. */
  | { kind: 'threw'; message: string; isReported: boolean }
  /** The process ended or closed the connection before an answer. */
  | { kind: 'broke-off'; wasSent: boolean; error: EdgeError }
  | { kind: 'timed-out' }
  | { kind: 'abandoned'; error: unknown };

export type ForwardOptions = {
  process: FunctionProcess;
  /** Marks the dispatcher's own answers. */
  token: string;
  signal: AbortSignal;
  /** The protocols of an upgrade; undefined for an ordinary request. */
  upgrade: string | undefined;
  /** Called when the connection is done with the call, tunnels included. */
  onFinished: () => void;
};

/** Sends the request on to the function. Nothing is buffered; the body is read as fast as the function takes it. */
export async function forwardCall(request: IncomingMessage, options: ForwardOptions): Promise<Forwarded> {
  const { process, token, signal, onFinished } = options;
  const hasBody = bodyIsDeclared(request);
  const exchange = new Exchange({ signal }, onFinished);
  process.calls.dispatch(
    {
      path: escapeUnsafe(request.url ?? '/'),
      method: request.method ?? 'GET',
      headers: functionHeaders(request, hasBody),
      body: hasBody ? new RequestBody(request) : null,
      upgrade: options.upgrade ?? null,
    },
    exchange,
  );
  return explain(await exchange.outcome, token);
}

// No URI has these (RFC 3986 section 2), workerd refuses them with a 400 of its own, and clients send them all the same. As
// the URL standard of browsers does, and with the same meaning to whoever reads them.
const UNSAFE = /["<>`]/g;

function escapeUnsafe(target: string): string {
  return target.replaceAll(UNSAFE, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function explain(outcome: Outcome, token: string): Promise<Forwarded> {
  switch (outcome.kind) {
    case 'reply':
      return explainReply(outcome.reply, token);
    case 'switched':
    case 'abandoned':
      return outcome;
    case 'timed-out':
      return { kind: 'timed-out' };
    case 'unreachable':
      return { kind: 'broke-off', wasSent: false, error: outcome.error };
    case 'broke-off':
      return { kind: 'broke-off', wasSent: true, error: outcome.error };
    default:
      return outcome satisfies never;
  }
}

const ownAnswer = z.object({
  kind: z.string(),
  message: z.string().optional(),
  isReported: z.boolean().default(false),
});

async function explainReply(reply: FunctionReply, token: string): Promise<Forwarded> {
  const mark = fieldValue(reply.headers, RUNNER_ERROR_HEADER);
  if (mark === token) {
    const {
      kind,
      message = kind,
      isReported,
    } = ownAnswer.parse(JSON.parse((await buffer(reply.body)).toString('utf8')));
    return { kind: 'threw', message, isReported };
  }
  return { kind: 'reply', reply };
}

/** Names and values in turn, as undici takes them. */
function functionHeaders({ rawHeaders: raw, headers }: IncomingMessage, hasBody: boolean): string[] {
  const flat: string[] = [SCHEME_HEADER, headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? '';
    if (isForFunction(name.toLowerCase(), hasBody)) flat.push(name, raw[index + 1] ?? '');
  }
  return flat;
}

function isForFunction(name: string, hasBody: boolean): boolean {
  if (name.startsWith(PLATFORM_HEADER_PREFIX)) return SHOWN.has(name);
  if (name === 'content-length') return hasBody;
  // Undici writes those of the connection itself; the body's length goes with the body.
  return !CONNECTION_HEADERS.has(name);
}

/** RFC 9112 section 6.3: a request has a body when it says so. */
function bodyIsDeclared({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
