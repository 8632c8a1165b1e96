import type { Logger } from '../core/log.ts';
import type { StoreConfig } from './config.ts';
import { createDirectoryStore } from './directory-store.ts';
import type { ObjectStore } from './object-store.ts';
import { createS3Store } from './s3-store.ts';

/** The store that the configuration names. Nothing is asked until it is used: call `check()` at start. */
export function openStore(config: StoreConfig, { log }: { log: Logger }): ObjectStore {
  switch (config.kind) {
    case 's3':
      return createS3Store(config, log);
    case 'directory':
      return createDirectoryStore(config.root, log);
    default:
      return config satisfies never;
  }
}
