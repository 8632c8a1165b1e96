import { STATUS_CODES } from 'node:http';
import type { Answer } from '../exchange.ts';

/** An answer with its bytes at hand as it goes over the wire, for connections that never had a readable request. */
export function formatRawAnswer(answer: Answer): Buffer {
  const { status, headers, body } = answer;
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nDate: ${new Date().toUTCString()}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  head += 'Connection: close\r\n\r\n';
  return Buffer.isBuffer(body)
    ? Buffer.concat([Buffer.from(head, 'latin1'), body])
    : Buffer.from(head, 'latin1');
}
