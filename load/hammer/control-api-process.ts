import { z } from 'zod';
import { cacheFields, toCacheConfig } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { Protections } from '../../cache/protections.ts';
import { controlApiShape } from '../../control-api/config.ts';
import { startControlApi } from '../../control-api/start-control-api.ts';
import { readEnvironment } from '../../core/env.ts';
import { closeAll, runProgram } from '../../core/lifecycle.ts';
import { createLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { storeFields, toStoreConfig, withStoreRules } from '../../store/config.ts';
import { openStore } from '../../store/open-store.ts';

const shape = withStoreRules(z.object({ ...controlApiShape.shape, ...storeFields, ...cacheFields }));

// The control API with a guard of coherence switched off: see gateway-process.ts.
await runProgram(
  'control-api',
  async () => {
    const config = readEnvironment('control-api', shape, process.env);
    const log = createLogger({ program: 'control-api', level: config.LOG_LEVEL });
    const registry = createRegistry();
    const protections = JSON.parse(process.argv[2] ?? '') as Protections;
    const store = openStore(toStoreConfig(config), { log });
    const cache = openCache(toCacheConfig(config), { log, registry, protections, watchesLeases: true });
    await cache.connect();
    const api = await startControlApi(config, { log, registry, cache, store });
    return { close: () => closeAll([store, cache, api], log) };
  },
  { closeTimeoutMs: 10_000 },
);
