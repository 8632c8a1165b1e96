import { EdgeError } from '../core/errors.ts';
import type { ObjectBody, ReadOptions } from './object-store.ts';

export type ReadAllOptions = {
  maxBytes: number;
  signal?: AbortSignal | undefined;
  /** How often a body that breaks off is read from its beginning, in all. */
  maxAttempts: number;
  onRetry?: ((error: unknown) => void) | undefined;
};

type Get = (key: string, options: ReadOptions) => Promise<ObjectBody | undefined>;

/** The whole object in memory, for `ObjectStore.read`. */
export async function readAll(get: Get, key: string, options: ReadAllOptions): Promise<Buffer | undefined> {
  const { maxBytes, signal, maxAttempts, onRetry } = options;
  for (let attempt = 1; ; attempt += 1) {
    const object = await get(key, { signal });
    if (object === undefined) return undefined;
    if (object.size > maxBytes) {
      object.body.destroy();
      const detail = `bucket: ${key} has ${object.size} bytes, more than the ${maxBytes} allowed here`;
      throw new EdgeError('BUCKET_FAILED', { detail });
    }
    try {
      return await collect(object);
    } catch (error) {
      if (attempt >= maxAttempts || signal?.aborted === true) throw error;
      onRetry?.(error);
    }
  }
}

async function collect({ body, size }: ObjectBody): Promise<Buffer> {
  // Not from Node's shared pool: what is read here is kept in caches that count bytes.
  const whole = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) at += chunk.copy(whole, at);
  return whole;
}
