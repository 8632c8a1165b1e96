import { z } from 'zod';
import { cacheFields, toCacheConfig } from '../cache/config.ts';
import { openCache } from '../cache/open-cache.ts';
import { readEnvironment } from '../core/env.ts';
import { closeAll, runProgram, type Closable } from '../core/lifecycle.ts';
import { createLogger } from '../core/log.ts';
import { createRegistry } from '../core/metrics.ts';
import { storeFields, toStoreConfig, withStoreRules } from '../store/config.ts';
import { openStore } from '../store/open-store.ts';
import { runnerFields } from './config.ts';
import { startRunner } from './start-runner.ts';

const CLOSE_TIMEOUT_MS = 60_000;

const shape = withStoreRules(z.object({ ...runnerFields, ...storeFields, ...cacheFields }));

async function start(): Promise<Closable> {
  const config = readEnvironment('runner', shape, process.env);
  const log = createLogger({ program: 'runner', level: config.LOG_LEVEL });
  const registry = createRegistry({ withProcessMetrics: true });
  const store = openStore(toStoreConfig(config), { log });
  const cache = openCache(toCacheConfig(config), { log, registry, service: 'runner' });
  const opened: Closable[] = [store, cache];
  try {
    await store.check();
    await cache.connect();
    opened.push(await startRunner(config, { log, registry, cache, store }));
    return { close: () => closeAll(opened, log) };
  } catch (error) {
    await closeAll(opened, log);
    throw error;
  }
}

await runProgram('runner', start, { closeTimeoutMs: CLOSE_TIMEOUT_MS });
