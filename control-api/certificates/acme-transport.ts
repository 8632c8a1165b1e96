import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent, request, type Dispatcher } from 'undici';
import { z } from 'zod';
import { messageOf } from '../../core/errors.ts';
import { parseJson } from '../../core/parse-json.ts';
import { CertificateFailure } from './failure.ts';

// acme-client speaks the protocol over axios, whose errors lose what the authority said and which waits in its own way.
// Its requests go through here instead: with a deadline, of bounded size, and failures that tell their kind.

const DEADLINE_MS = 30_000;
const MAX_BODY_BYTES = 1024 * 1024;

/** What one authority's requests go by. */
export type Transport = {
  dispatcher: Dispatcher;
  close(): Promise<void>;
};

type Scope = { transport: Transport; signal: AbortSignal };
const scopes = new AsyncLocalStorage<Scope>();

/** @param ca PEM text of the authorities that the server's certificate is checked against; undefined: Node's. */
export function openTransport(ca: string | undefined): Transport {
  const dispatcher = new Agent({
    connect: ca === undefined ? { timeout: 10_000 } : { timeout: 10_000, ca },
    connections: 8,
    bodyTimeout: DEADLINE_MS,
    headersTimeout: DEADLINE_MS,
  });
  return { dispatcher, close: () => dispatcher.destroy() };
}

/** Requests of acme-client that `work` makes take this transport, and end with the signal. */
export async function overTransport<Result>(scope: Scope, work: () => Promise<Result>): Promise<Result> {
  return await scopes.run(scope, work);
}

type Outgoing = {
  url?: string | undefined;
  method?: string | undefined;
  data?: unknown;
  headers: { toJSON(): Record<string, unknown> };
};

type Incoming<Config> = {
  data: string;
  status: number;
  statusText: string;
  headers: Record<string, string>;
  config: Config;
};

/** The adapter for acme-client's axios. @throws CertificateFailure for every answer that is an error. */
export async function send<Config extends Outgoing>(config: Config): Promise<Incoming<Config>> {
  const scope = scopes.getStore();
  if (scope === undefined) throw new Error('a request to an authority outside of overTransport');
  const { status, headers, text } = await exchange(scope, config);
  // A nonce that was refused is acme-client's to renew (RFC 8555 section 6.5).
  if (status >= 400 && problemOf(text)?.type !== `${PREFIX}badNonce`) throw toFailure(status, headers, text);
  return { data: text, status, statusText: '', headers, config };
}

type Answer = { status: number; headers: Record<string, string>; text: string };

async function exchange(
  { transport, signal }: Scope,
  { url = '', method = 'GET', data, headers }: Outgoing,
): Promise<Answer> {
  try {
    const answer = await request(url, {
      method: method.toUpperCase(),
      headers: textHeaders(headers.toJSON()),
      body: typeof data === 'string' ? data : null,
      dispatcher: transport.dispatcher,
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    });
    const text = await readText(answer.body);
    return { status: answer.statusCode, headers: textHeaders(answer.headers), text };
  } catch (error) {
    if (error instanceof CertificateFailure) throw error;
    throw new CertificateFailure('authority', `The certificate authority cannot be reached: ${why(error)}`, {
      cause: error,
    });
  }
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES)
      throw new CertificateFailure('authority', 'The certificate authority answers more than belongs here.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function textHeaders(headers: Record<string, unknown>): Record<string, string> {
  const texts = Object.entries(headers).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(texts.map(([name, value]) => [name.toLowerCase(), String(value)]));
}

const PREFIX = 'urn:ietf:params:acme:error:';

const problemSchema = z.object({
  type: z.string().default('about:blank'),
  detail: z.string().default(''),
});

/** A problem document (RFC 7807), as it stands in answers and in orders and challenges that failed. */
export function problemOf(json: unknown): { type: string; detail: string } | undefined {
  const parsed = problemSchema.safeParse(typeof json === 'string' ? parseJson(json) : json);
  return parsed.success ? parsed.data : undefined;
}

/** What an authority's problem means for whoever waits for the certificate. */
export function toProblemFailure(
  problem: { type: string; detail: string } | undefined,
  retryAfterMs?: number,
): CertificateFailure {
  const name = (problem?.type ?? 'about:blank').replace(PREFIX, '');
  const text = `The certificate authority refused: ${name}: ${problem?.detail ?? 'no reason given'}`;
  const isLimit = name === 'rateLimited';
  const isItself = name === 'serverInternal' || name === 'accountDoesNotExist' || name === 'badNonce';
  return new CertificateFailure(isLimit ? 'limited' : isItself ? 'authority' : 'refused', text, {
    retryAfterMs,
    cause: problem,
  });
}

function toFailure(status: number, headers: Record<string, string>, text: string): CertificateFailure {
  const retryAfterMs = retryAfterOf(headers['retry-after']);
  const problem = problemOf(text);
  if (status === 429)
    return toProblemFailure({ type: 'rateLimited', detail: problem?.detail ?? '' }, retryAfterMs);
  if (status < 500 && problem !== undefined) return toProblemFailure(problem, retryAfterMs);
  return new CertificateFailure('authority', `The certificate authority answered ${status}.`, {
    retryAfterMs,
    cause: { status },
  });
}

/** RFC 9110 section 10.2.3: seconds or a date. */
export function retryAfterOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

/** Whether a failure says that the authority has forgotten the account. */
export function isAccountGone(error: unknown): boolean {
  const cause = error instanceof CertificateFailure ? problemOf(error.cause) : undefined;
  return cause?.type === `${PREFIX}accountDoesNotExist`;
}

/** Whether it says that what was asked for is not there any more. */
export function isNotFound(error: unknown): boolean {
  if (!(error instanceof CertificateFailure)) return false;
  const { status } = (error.cause ?? {}) as { status?: unknown };
  return status === 404 || problemOf(error.cause)?.type === `${PREFIX}malformed`;
}

function why(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'no answer within 30 s';
  const inner = cause === undefined ? '' : ` (${messageOf(cause)})`;
  return `${typeof code === 'string' ? `${code} ` : ''}${messageOf(error)}${inner}`;
}
