import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { HeaderList } from '../../runner-client/runner-client.ts';
import { firstLineOf } from '../header-fields.ts';

/** Whether the head is all of a reply: the client has it whole before a body could be held back (see capture.ts). */
export function isBodiless({ status, headers }: { status: number; headers: HeaderList }): boolean {
  return status === 204 || firstLineOf(headers, 'content-length')?.trim() === '0';
}

/** Waits for the end of a body that has no bytes: then the response is stored. */
export async function readOut(body: Readable): Promise<null> {
  body.resume();
  // One that breaks off has been given up by whoever wanted to keep it; the head has said everything.
  await finished(body).catch(() => undefined);
  return null;
}
