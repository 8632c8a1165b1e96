import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request, type Dispatcher } from 'undici';
import type { z } from 'zod';
import { apiErrorSchema } from '../contracts/control-api-answers.ts';
import { ERRORS, messageOf } from '../core/errors.ts';
import { parseJson } from '../core/parse-json.ts';
import { CliError } from './cli-error.ts';
import { refusedBy, unreachable, unusableAnswer } from './control-api-errors.ts';

export type ApiCall<Answer> = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Of `apiPaths` or `adminPaths`, already encoded. */
  path: string;
  answer: z.ZodType<Answer>;
  body?: unknown;
  /** For the whole call, each attempt; default 30 s. */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
  /** Default true: every step of the interface may be repeated. */
  mayRepeat?: boolean;
};

export type Upload = {
  path: string;
  size: number;
  /** Called for each attempt, so that a retry reads from the beginning. A failure to read is not tried again. */
  open(): AsyncIterable<Buffer> | Buffer;
  signal?: AbortSignal | undefined;
};

/** Speaks the control API's HTTP form. Fails closed: every failure is a CliError that says what to do. */
export type ControlApiClient = {
  readonly apiUrl: string;
  call<Answer>(call: ApiCall<Answer>): Promise<Answer>;
  /** Puts one object; repeated after failures that may pass. */
  upload(upload: Upload): Promise<void>;
  close(): Promise<void>;
};

export type ClientOptions = {
  apiUrl: string;
  /** Absent: only what needs no token can be asked. */
  token?: string | undefined;
  userAgent?: string | undefined;
  /** Attempts after the first one; default 4, the waits between them grow from 0.2 s to 5 s. */
  retries?: number | undefined;
  connectTimeoutMs?: number | undefined;
  /** How long an upload may make no progress; default 30 s. */
  idleTimeoutMs?: number | undefined;
};

const CALL_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_CONNECTIONS = 32;

export function createControlApiClient(options: ClientOptions): ControlApiClient {
  const { apiUrl, connectTimeoutMs = 5000 } = options;
  const agent = new Agent({ connections: MAX_CONNECTIONS, connect: { timeout: connectTimeoutMs } });
  const connection: Connection = { ...options, agent };
  return {
    apiUrl,
    call: (call) => callWithRetries(connection, call),
    upload: (upload) => uploadWithRetries(connection, upload),
    // Aborted calls may leave sockets half-way: nothing to wait for.
    close: () => agent.destroy(),
  };
}

type Connection = ClientOptions & { agent: Agent };

async function callWithRetries<Answer>(connection: Connection, call: ApiCall<Answer>): Promise<Answer> {
  return withRetries(connection, { signal: call.signal, mayRepeat: call.mayRepeat ?? true }, async () => {
    const signal = anySignal(call.signal, AbortSignal.timeout(call.timeoutMs ?? CALL_TIMEOUT_MS));
    const answer = await send(connection, {
      method: call.method,
      path: call.path,
      headers: call.body === undefined ? {} : { 'content-type': 'application/json' },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal,
    });
    const parsed = call.answer.safeParse(answer);
    if (!parsed.success)
      throw unusableAnswer(connection.apiUrl, 'the answer has another shape than expected');
    return parsed.data;
  });
}

async function uploadWithRetries(connection: Connection, upload: Upload): Promise<void> {
  await withRetries(connection, { signal: upload.signal, mayRepeat: true }, async () => {
    const idle = createIdleSignal(connection.idleTimeoutMs ?? IDLE_TIMEOUT_MS);
    const content = upload.open();
    const body = Buffer.isBuffer(content)
      ? content
      : Readable.from(exactly(upload.size, content, idle.touch));
    try {
      await send(connection, {
        method: 'PUT',
        path: upload.path,
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(upload.size) },
        body,
        signal: anySignal(upload.signal, idle.signal),
      });
    } finally {
      idle.stop();
      if (!Buffer.isBuffer(body)) body.destroy();
    }
  });
}

type Request = {
  method: Dispatcher.HttpMethod;
  path: string;
  headers: Record<string, string>;
  body: string | Buffer | Readable | null;
  signal: AbortSignal;
};

/** One attempt: the JSON of a 2xx answer, or a CliError. */
async function send(connection: Connection, { path, headers, ...rest }: Request): Promise<unknown> {
  const { apiUrl, token, agent, userAgent = 'origan-cli' } = connection;
  let status: number;
  let text: string;
  try {
    const response = await request(`${apiUrl}${path}`, {
      ...rest,
      dispatcher: agent,
      headers: {
        accept: 'application/json',
        'user-agent': userAgent,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
    status = response.statusCode;
    text = await readText(response.body, apiUrl);
  } catch (error) {
    throw error instanceof CliError ? error : unreachable(apiUrl, error, rest.method);
  }
  return readAnswer(apiUrl, status, text);
}

async function readText(body: AsyncIterable<Buffer>, apiUrl: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw unusableAnswer(apiUrl, 'the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readAnswer(apiUrl: string, status: number, text: string): unknown {
  const json = parseJson(text);
  if (status >= 200 && status < 300) {
    if (json !== undefined || text === '') return json;
    throw unusableAnswer(apiUrl, 'the answer is not JSON');
  }
  const refusal = apiErrorSchema.safeParse(json);
  if (!refusal.success)
    throw unusableAnswer(apiUrl, `it answered ${status} without an error of its own`, status);
  throw refusedBy(status, refusal.data.error);
}

type RetryOptions = { signal: AbortSignal | undefined; mayRepeat: boolean };

async function withRetries<Answer>(
  { retries = 4 }: Connection,
  { signal, mayRepeat }: RetryOptions,
  attempt: () => Promise<Answer>,
): Promise<Answer> {
  for (let attempts = 0; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!mayRepeat || attempts >= retries || signal?.aborted === true || !mayPass(error)) throw error;
      // Full jitter: many uploads that failed together must not come back together.
      const longest = Math.min(5000, 200 * 2 ** attempts);
      await sleep(
        longest / 2 + (Math.random() * longest) / 2,
        undefined,
        signal === undefined ? {} : { signal },
      );
    }
  }
}

/** Whether the same call may succeed when repeated: the network, or an error that the table calls retryable. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof CliError)) return false;
  if (error.code === 'UNREACHABLE' || error.code === 'UNAVAILABLE') return true;
  return isKnownCode(error.code) && ERRORS[error.code].retryable;
}

function isKnownCode(code: string): code is keyof typeof ERRORS {
  return Object.hasOwn(ERRORS, code);
}

function anySignal(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

/** The chunks, as fast as the other side reads them. @throws CliError unless they are as many bytes as announced. */
async function* exactly(
  size: number,
  content: AsyncIterable<Buffer>,
  touch: () => void,
): AsyncGenerator<Buffer> {
  let sent = 0;
  try {
    for await (const chunk of content) {
      sent += chunk.length;
      if (sent > size) break;
      touch();
      yield chunk;
    }
  } catch (error) {
    throw new CliError('CONTENT_CHANGED', `It cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (sent !== size) throw new CliError('CONTENT_CHANGED', `It no longer has ${size} bytes.`);
}

/** A signal that fires when `touch` has not been called for a while: a deadline that large uploads can meet. */
function createIdleSignal(timeoutMs: number): { signal: AbortSignal; touch: () => void; stop: () => void } {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`no progress for ${timeoutMs} ms`, 'TimeoutError'));
  }, timeoutMs);
  return { signal: controller.signal, touch: () => timer.refresh(), stop: () => clearTimeout(timer) };
}
