import { EdgeError } from '../../core/errors.ts';
import type { ObjectStore } from '../../store/object-store.ts';

/** A real store whose calls are counted, and that can be told to fail or to wait. */
export type WatchedStore = ObjectStore & {
  calls: { method: 'head' | 'get' | 'read'; key: string; signal: AbortSignal | undefined }[];
  /** Calls fail with BUCKET_FAILED while true. */
  isFailing: boolean;
  /** Calls wait for it before they go on. */
  gate: Promise<void> | undefined;
};

export function watchStore(store: ObjectStore): WatchedStore {
  const enter = async (
    method: 'head' | 'get' | 'read',
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    watched.calls.push({ method, key, signal });
    await watched.gate;
    if (watched.isFailing) throw new EdgeError('BUCKET_FAILED');
  };
  const watched: WatchedStore = {
    ...store,
    calls: [],
    isFailing: false,
    gate: undefined,
    head: async (key, options) => {
      await enter('head', key, options?.signal);
      return store.head(key, options);
    },
    get: async (key, options) => {
      await enter('get', key, options?.signal);
      return store.get(key, options);
    },
    read: async (key, options) => {
      await enter('read', key, options.signal);
      return store.read(key, options);
    },
  };
  return watched;
}
