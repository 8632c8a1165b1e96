import { z } from 'zod';
import { cacheFields, toCacheConfig } from '../cache/config.ts';
import { describeAccess } from '../cache/describe-cache.ts';
import { probeTls } from '../cache/probe-tls.ts';
import { openCache } from '../cache/open-cache.ts';
import { readEnvironment } from '../core/env.ts';
import { closeAll, runProgram, type Closable } from '../core/lifecycle.ts';
import { createLogger } from '../core/log.ts';
import { createRegistry } from '../core/metrics.ts';
import { storeFields, toStoreConfig, withStoreRules } from '../store/config.ts';
import { openStore } from '../store/open-store.ts';
import { controlApiShape, withControlApiRules } from './config.ts';
import { runMigrations } from './run-migrations.ts';
import { startControlApi } from './start-control-api.ts';

const CLOSE_TIMEOUT_MS = 15_000;

const shape = withControlApiRules(
  withStoreRules(z.object({ ...controlApiShape.shape, ...storeFields, ...cacheFields })),
);

async function start(): Promise<Closable> {
  const config = readEnvironment('control-api', shape, process.env);
  const log = createLogger({ program: 'control-api', level: config.LOG_LEVEL });
  const registry = createRegistry({ withProcessMetrics: true });
  const store = openStore(toStoreConfig(config), { log });
  const cacheConfig = toCacheConfig(config);
  const cacheAccess = describeAccess(cacheConfig);
  const cache = openCache(cacheConfig, {
    log,
    registry,
    service: 'control-api',
    watchesLeases: true,
  });
  const opened: Closable[] = [store, cache];
  try {
    await cache.connect();
    const probeCacheTls = (): ReturnType<typeof probeTls> => probeTls(cacheConfig);
    opened.push(await startControlApi(config, { log, registry, cache, cacheAccess, probeCacheTls, store }));
    return { close: () => closeAll(opened, log) };
  } catch (error) {
    await closeAll(opened, log);
    throw error;
  }
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'migrate') await runMigrations(rest, process.env);
else await runProgram('control-api', start, { closeTimeoutMs: CLOSE_TIMEOUT_MS });
