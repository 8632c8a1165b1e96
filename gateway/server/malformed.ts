import type { Duplex } from 'node:stream';
import { EdgeError, type ErrorCode } from '../../core/errors.ts';

/** What Node's parser says with the error. */
export type ParserError = Error & {
  code?: string;
  reason?: string;
  rawPacket?: Buffer;
  bytesParsed?: number;
};

/** The error of the table for what the parser refused; undefined when nobody is there to be told. */
export function explainParserError(error: ParserError, socket: Duplex): EdgeError | undefined {
  if (!socket.writable || error.code === 'ECONNRESET' || error.code === 'EPIPE') return undefined;
  return new EdgeError(codeOf(error), { cause: error, detail: error.reason ?? error.message });
}

function codeOf(error: ParserError): ErrorCode {
  const { before, line } = lineOf(error);
  switch (error.code ?? '') {
    case 'HPE_HEADER_OVERFLOW':
      // Too large before the first line had ended: it is the target that is too long.
      return /^[A-Z]+ \S*$/.test(before) ? 'URI_TOO_LONG' : 'HEADERS_TOO_LARGE';
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'BODY_TOO_LARGE';
    case 'HPE_INVALID_METHOD':
      // RFC 9110 section 15.6.2: a method that is well-formed but unknown.
      return /^[A-Z]{1,32} \S+ HTTP\/1\.[01]\r$/.test(line) ? 'METHOD_NOT_IMPLEMENTED' : 'BAD_REQUEST';
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'REQUEST_TIMEOUT';
    default:
      return 'BAD_REQUEST';
  }
}

/** The line in which the parser stopped, and the part of it that it had read; empty when nothing is known. */
function lineOf({ rawPacket, bytesParsed }: ParserError): { before: string; line: string } {
  if (rawPacket === undefined || bytesParsed === undefined) return { before: '', line: '' };
  const start = rawPacket.lastIndexOf('\n', Math.max(0, bytesParsed - 1)) + 1;
  const end = rawPacket.indexOf('\n', bytesParsed);
  const line = rawPacket.toString('latin1', start, end === -1 ? rawPacket.length : end);
  return { line, before: line.slice(0, bytesParsed - start) };
}
