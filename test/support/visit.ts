import { request, type Agent, type IncomingHttpHeaders } from 'node:http';
import { mayGoUnawaited } from './may-go-unawaited.ts';

export type Visit = {
  status: number;
  headers: IncomingHttpHeaders;
  rawHeaders: string[];
  body: Buffer;
  text: string;
};

export type VisitOptions = {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Called for each chunk as it arrives. */
  onChunk?: (chunk: Buffer) => void;
  /** Keeps connections open. Default: one connection for each request, closed after it. */
  agent?: Agent;
};

/** One request to a gateway for a host that no DNS knows; nothing is followed, decoded or kept. */
export function visit(port: number, host: string, path: string, options: VisitOptions = {}): Promise<Visit> {
  const { method = 'GET', headers = {}, body, onChunk, agent = false } = options;
  const visited = new Promise<Visit>((resolve, reject) => {
    const call = request(
      { host: '127.0.0.1', port, path, method, headers: { host, ...headers }, agent },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          onChunk?.(chunk);
        });
        reply.once('error', reject);
        reply.once('end', () => {
          const whole = Buffer.concat(chunks);
          const { statusCode = 0, rawHeaders } = reply;
          resolve({
            status: statusCode,
            headers: reply.headers,
            rawHeaders,
            body: whole,
            text: whole.toString(),
          });
        });
      },
    );
    call.once('error', reject);
    call.end(body);
  });
  return mayGoUnawaited(visited);
}
