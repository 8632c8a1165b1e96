import type { IncomingMessage } from 'node:http';
import { EdgeError } from '../../core/errors.ts';

/**
 * What Node's parser lets pass and two readers could still take for different requests, or that goes beyond a limit.
 * Undefined: nothing is wrong with the head.
 */
export function checkHead(incoming: IncomingMessage, maxHeaders: number): EdgeError | undefined {
  const { httpVersion, rawHeaders, headers } = incoming;
  // The parser also takes `HTTP/2.0` and `HTTP/0.9` in a request line of version 1 form.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return bad(`version ${httpVersion}`);
  // Node's own limit drops the headers beyond it and goes on; a head is taken whole or not at all.
  if (rawHeaders.length / 2 > maxHeaders) return new EdgeError('HEADERS_TOO_LARGE');
  if (headers['transfer-encoding'] !== undefined) return checkCoding(incoming);
  if (headers.expect !== undefined && httpVersion === '1.1') return checkExpectation(headers.expect);
  return undefined;
}

function checkCoding({ httpVersion, headers }: IncomingMessage): EdgeError | undefined {
  // RFC 9112 section 6.1: in a message of version 1.0 it is a sign of faulty framing.
  if (httpVersion === '1.0') return bad('Transfer-Encoding in an HTTP/1.0 request');
  if (headers['transfer-encoding']?.toLowerCase() !== 'chunked') {
    return new EdgeError('TRANSFER_CODING_NOT_IMPLEMENTED');
  }
  return headers.expect === undefined ? undefined : checkExpectation(headers.expect);
}

/** RFC 9110 section 10.1.1. */
function checkExpectation(expect: string): EdgeError | undefined {
  return expect.toLowerCase() === '100-continue' ? undefined : new EdgeError('EXPECTATION_FAILED');
}

function bad(detail: string): EdgeError {
  return new EdgeError('BAD_REQUEST', { detail });
}
