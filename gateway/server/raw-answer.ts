import { STATUS_CODES } from 'node:http';
import type { Answer, FlatHeaders } from '../exchange.ts';

/** An answer with its bytes at hand as it goes over the wire, for connections that never had a readable request. */
export function formatRawAnswer({ status, headers, body }: Answer): Buffer {
  const head = formatRawHead(status, [...headers, 'Connection', 'close']);
  return Buffer.isBuffer(body) ? Buffer.concat([head, body]) : head;
}

/** The head of an answer. Each character is one byte: what is no ASCII came as bytes, and is no text to encode anew. */
export function formatRawHead(status: number, headers: FlatHeaders): Buffer {
  const lines = headLines(status, ['Date', new Date().toUTCString(), ...headers]);
  return Buffer.from(`${lines}\r\n`, 'latin1');
}

/** Status line and fields, each with its line's end; nothing is checked. */
export function headLines(status: number, headers: FlatHeaders): string {
  let lines = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    lines += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  return lines;
}
