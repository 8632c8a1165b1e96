import Negotiator from 'negotiator';
import { ERRORS, type EdgeError } from '../core/errors.ts';
import type { Answer } from './exchange.ts';

const RETRY_AFTER_S = 2;
/** Types of error pages; the first is for clients without a preference. */
const TYPES: readonly string[] = ['text/plain', 'text/html', 'application/json'];

/** The one place that turns an error into a response: the code, its sentence and the request id, nothing else. */
export function refuse(error: EdgeError, requestId: string, accept: string | undefined): Answer {
  const { status, text, retryable } = ERRORS[error.code];
  const page = errorPage({ status, code: error.code, text, requestId }, accept);
  const headers = [
    'Content-Type',
    page.contentType,
    'Content-Length',
    String(page.body.length),
    // Errors are never stored: neither by a browser nor by a cache in front (RFC 9111 section 5.2.2.5).
    'Cache-Control',
    'no-store',
    'Cache-Status',
    `origan-edge; detail=${error.code}`,
    'X-Origan-Request-Id',
    requestId,
    'X-Content-Type-Options',
    'nosniff',
  ];
  if (retryable && (status === 503 || status === 429)) headers.push('Retry-After', String(RETRY_AFTER_S));
  return { status, headers, body: page.body };
}

type Problem = { status: number; code: string; text: string; requestId: string };

/** HTML for a browser, JSON for who asks for it, plain text otherwise, by the weights of Accept (RFC 9110 section 12.5.1). */
export function errorPage(
  problem: Problem,
  accept: string | undefined,
): { contentType: string; body: Buffer } {
  const type = new Negotiator({ headers: { accept } }).mediaType(TYPES);
  if (type === 'text/html') return { contentType: 'text/html; charset=utf-8', body: html(problem) };
  if (type === 'application/json') return { contentType: type, body: json(problem) };
  return { contentType: 'text/plain; charset=utf-8', body: plain(problem) };
}

function json({ code, text, requestId }: Problem): Buffer {
  return Buffer.from(JSON.stringify({ error: { code, message: text, requestId } }));
}

function plain({ status, code, text, requestId }: Problem): Buffer {
  return Buffer.from(`${status} ${code}\n${text}\nRequest: ${requestId}\n`);
}

// Nothing of the request is repeated in the page, so there is nothing to escape.
function html({ status, code, text, requestId }: Problem): Buffer {
  return Buffer.from(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>${status} ${code}</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 34rem; margin: 20vh auto 0; padding: 0 1.5rem }
  h1 { font-size: 4rem; line-height: 1; margin: 0 }
  code { opacity: .7 }
</style>
<h1>${status}</h1>
<p>${text}</p>
<p><code>${code}</code> <code>${requestId}</code></p>
</html>
`);
}
