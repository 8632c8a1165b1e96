import { request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { mayGoUnawaited } from './may-go-unawaited.ts';

export type SentRequest = { method: string; path: string; headers?: OutgoingHttpHeaders; body?: Buffer };
export type ReceivedReply = { status: number; headers: IncomingHttpHeaders; body: Buffer };

/** One request on a connection of its own, with exactly these headers: fetch forbids or changes some. */
export function sendRequest(
  port: number,
  { method, path, headers, body }: SentRequest,
): Promise<ReceivedReply> {
  const reply = new Promise<ReceivedReply>((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method, path, headers: headers ?? {}, agent: false },
      (incoming) => {
        buffer(incoming).then(
          (bytes) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: bytes }),
          reject,
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
  return mayGoUnawaited(reply);
}
