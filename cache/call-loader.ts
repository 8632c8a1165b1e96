import type { Loader } from './cache.ts';
import type { Loaded } from './lookup.ts';

/** Calls a loader that is held to its deadline even if it ignores the signal. */
export async function callLoader<Value>(loader: Loader<Value>, limitMs: number): Promise<Loaded<Value>> {
  const controller = new AbortController();
  const loaded = await within(loader(controller.signal), limitMs);
  if (loaded !== undefined) return loaded;
  const error = new Error(`the load took longer than ${limitMs} ms`);
  controller.abort(error);
  throw error;
}

/** The outcome if it comes within the time; the work goes on either way. */
export async function within<Value>(work: Promise<Value>, limitMs: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
