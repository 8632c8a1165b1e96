import { describe } from 'vitest';
import { installedCacheServers } from '../support/cache-server.ts';
import { cacheConformance } from './cache-conformance.ts';
import { memoryRig, serverRig } from './rigs.ts';

describe('in memory', () => cacheConformance(memoryRig));

const kinds = installedCacheServers();
if (kinds.length === 0)
  throw new Error('no cache server on PATH: install redis-server 7, valkey-server or dragonfly');
describe.each(kinds)('on %s', (kind) => cacheConformance(() => serverRig({ kind })));
