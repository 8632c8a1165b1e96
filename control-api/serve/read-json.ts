import type { IncomingMessage } from 'node:http';
import { Failure } from '../failure.ts';

/** Of JSON, in whatever form it comes. A manifest of 50,000 files has about 20 MB. */
export const MAX_BODY_BYTES: number = 32 * 1024 * 1024;

/** The JSON body of a request; an absent one is `{}`. */
export async function readJson(incoming: IncomingMessage): Promise<unknown> {
  const body = await readBody(incoming, MAX_BODY_BYTES);
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new Failure('BAD_REQUEST', 'The body is no JSON.', { cause: error });
  }
}

/** The whole body of a request. */
export async function readBody(incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Not destroyed when the loop is left: the answer still has to go out on this connection.
  const body: AsyncIterable<Buffer> = incoming.iterator({ destroyOnReturn: false });
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new Failure('BODY_TOO_LARGE', `A request may have at most ${maxBytes} bytes.`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
