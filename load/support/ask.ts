import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';

/** One GET for a host that no DNS knows. */
export function ask(target: {
  port: number;
  host: string;
  path: string;
  headers?: Record<string, string>;
}): Promise<{ status: number; body: Buffer }> {
  const { port, host, path, headers } = target;
  return new Promise((resolve, reject) => {
    const call = request(
      { host: '127.0.0.1', port, path, headers: { ...headers, host }, agent: false },
      (reply) => {
        buffer(reply).then((body) => resolve({ status: reply.statusCode ?? 0, body }), reject);
      },
    );
    call.once('error', reject);
    call.end();
  });
}
