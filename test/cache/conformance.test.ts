import { describe } from 'vitest';
import { installedCacheServers } from '../support/cache-server.ts';
import { cacheConformance } from './cache-conformance.ts';
import { listConformance } from './list-conformance.ts';
import { softPurgeConformance } from './soft-purge-conformance.ts';
import { memoryRig, serverRig } from './rigs.ts';

describe('in memory', () => cacheConformance(memoryRig));
describe('lists in memory', () => listConformance(memoryRig));
describe('soft purges in memory', () => softPurgeConformance(memoryRig));

const kinds = installedCacheServers();
if (kinds.length === 0)
  throw new Error('no cache server on PATH: install redis-server 7, valkey-server or dragonfly');
describe.each(kinds)('on %s', (kind) => {
  cacheConformance(() => serverRig({ kind }));
});
describe.each(kinds)('lists on %s', (kind) => listConformance(() => serverRig({ kind })));
describe.each(kinds)('soft purges on %s', (kind) => softPurgeConformance(() => serverRig({ kind })));
