import { z } from 'zod';
import { atMost } from '../core/at-most.ts';
import { parseJson } from '../core/parse-json.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { Answer, Exchange } from './exchange.ts';

const PREFIX = '/.well-known/acme-challenge/';

/** Whether a path may be an authority's to ask. */
export function isChallengePath(path: string): boolean {
  return path.startsWith(PREFIX);
}

/** RFC 8555 section 8.3: the base64url alphabet. */
const TOKEN = /^[A-Za-z0-9_-]{1,256}$/;
const MAX_BYTES = 8192;
/** Reads of the bucket at once: anybody can ask for tokens that nobody has. */
const MAX_READING = 32;

const challengeSchema = z.object({
  keyAuthorization: z.string(),
  /** When it ends: milliseconds since the epoch, or a date. */
  expires: z.union([z.number(), z.string()]).transform((text) => new Date(text).getTime()),
});

export type ChallengeAnswerer = {
  /** The answer to a certificate authority's request (RFC 8555 section 8.3); undefined: it is the site's to answer. */
  answer(exchange: Exchange): Promise<Answer | undefined> | undefined;
};

/**
 * Answers proofs of control over a host from `challenges/{token}` in the bucket, whatever the host shows: a certificate can
 * be had before anything is deployed there. Tokens that the bucket does not know are left to the site, which may be proving
 * something to an authority of its own.
 */
export function createChallengeAnswerer(store: ObjectStore, nowMs: () => number): ChallengeAnswerer {
  const bounded = atMost(MAX_READING);
  return {
    answer: (exchange) => {
      const { method, target } = exchange;
      if (!isChallengePath(target.path) || (method !== 'GET' && method !== 'HEAD')) return undefined;
      const token = target.path.slice(PREFIX.length);
      return TOKEN.test(token) ? answerFor(exchange, token) : undefined;
    },
  };

  async function answerFor(exchange: Exchange, token: string): Promise<Answer | undefined> {
    const body = await bounded(() => readAuthorization(store, token, nowMs()));
    if (body === undefined) return undefined;
    exchange.event.route = 'challenge';
    return { status: 200, headers: headersFor(body, exchange.id), body };
  }
}

async function readAuthorization(
  store: ObjectStore,
  token: string,
  nowMs: number,
): Promise<Buffer | undefined> {
  const bytes = await store.read(`challenges/${token}`, { maxBytes: MAX_BYTES });
  if (bytes === undefined) return undefined;
  const parsed = challengeSchema.safeParse(parseJson(bytes.toString('utf8')));
  // RFC 8555 section 8.1: it begins with the token; anything else is not what an authority asked for.
  if (!parsed.success || !parsed.data.keyAuthorization.startsWith(`${token}.`)) return undefined;
  const { keyAuthorization, expires } = parsed.data;
  return expires > nowMs ? Buffer.from(keyAuthorization) : undefined;
}

function headersFor(body: Buffer, id: string): string[] {
  const content = ['Content-Type', 'text/plain', 'Content-Length', String(body.length)];
  const caching = ['Cache-Control', 'no-store', 'Cache-Status', 'origan-edge'];
  return [...content, ...caching, 'X-Content-Type-Options', 'nosniff', 'X-Origan-Request-Id', id];
}
