import type { ServerResponse } from 'node:http';
import { RUNNER_ERROR_HEADER, RUNNER_HEADER, type RunnerErrorReason } from '../runner-client/contract.ts';

/** An answer of the runner itself: plain text, marked with its reason, so that a caller can tell it from a function's. */
export type OwnAnswer = { status: number; text: string; reason: RunnerErrorReason };

/** Origan's contract: whatever went wrong with a function is this text, and the details are in the log alone. */
export const FAILED: OwnAnswer = { status: 500, text: 'Failed to run worker', reason: 'failed' };
export const TIMED_OUT: OwnAnswer = { ...FAILED, reason: 'timeout' };
export const OVERLOADED: OwnAnswer = { status: 503, text: 'Too many calls', reason: 'overloaded' };
export const DRAINING: OwnAnswer = { status: 503, text: 'Shutting down', reason: 'draining' };

/** Sends it, or breaks the connection off where an answer has already begun. */
export function sendOwnAnswer(response: ServerResponse, { status, text, reason }: OwnAnswer): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    [RUNNER_HEADER]: '1',
    [RUNNER_ERROR_HEADER]: reason,
    ...(status === 503 ? { 'Retry-After': '1' } : {}),
  });
  response.end(text);
}
