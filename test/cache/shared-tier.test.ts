import { expect, it } from 'vitest';
import type { Backend } from '../../cache/backend.ts';
import { encodeEntry } from '../../cache/codec.ts';
import { UNKNOWN_INCARNATION } from '../../cache/entry.ts';
import { keys } from '../../cache/keys.ts';
import { createMemoryServer } from '../../cache/open-cache.ts';
import { memoryBackend } from '../../cache/memory/memory-backend.ts';
import { SharedTier } from '../../cache/shared-tier.ts';
import { Statistics } from '../../cache/statistics.ts';
import { systemClock } from '../../core/clock.ts';
import { site } from './cache-conformance.ts';

const KEY = keys.domain('a.example');

/** A server that holds one entry stamped so, and which a client takes to be this process. */
function setUp(stamped: string, seen: string): { tier: SharedTier; backend: Backend } {
  const server = createMemoryServer();
  const backend = { ...memoryBackend(server), incarnation: () => seen };
  const encoded = encodeEntry(KEY, {
    kind: 'value',
    value: site('d1', 1),
    rev: 1,
    times: { nowMs: Date.now(), freshForMs: 60_000, loadMs: 0 },
    incarnation: stamped,
    compressAboveBytes: 1024,
  });
  if (encoded.kind !== 'encoded') throw new Error('too large');
  server.set(KEY.name, encoded.entry, 60_000);
  return { tier: new SharedTier(backend, systemClock, new Statistics()), backend };
}

it('believes what the server process that it speaks to was given', async () => {
  const { tier } = setUp('process1', 'process1');
  expect(await tier.find(KEY)).toMatchObject({ kind: 'value', isFresh: true });
});

it('takes what another process was given for nothing', async () => {
  const { tier } = setUp('process1', 'process2');
  expect(await tier.find(KEY)).toEqual({ kind: 'nothing', isVacant: false });
  expect(await tier.findHead(KEY)).toBeUndefined();
});

it.each(['process1', UNKNOWN_INCARNATION])(
  'calls it an error, not a miss, where it does not know whom it spoke to: an entry of %s',
  async (stamped) => {
    const { tier } = setUp(stamped, UNKNOWN_INCARNATION);
    expect(await tier.find(KEY)).toMatchObject({ kind: 'error', cause: { code: 'CACHE_FAILED' } });
    await expect(tier.findHead(KEY)).rejects.toMatchObject({ code: 'CACHE_FAILED' });
  },
);
