import { expect, test, vi } from 'vitest';
import { deploymentTag } from '../../../cache/tags.ts';
import { OwedPurges } from '../../../gateway/response-cache/owed-purges.ts';

const owedBy = (deploymentId: string, tag: string): Parameters<OwedPurges['end']>[0] => ({
  projectId: 'p',
  deploymentId,
  tag,
});

/** A cache server that takes purges, or does not, and what it took. */
function playServer(): { server: { isUp: boolean }; taken: string[]; owed: OwedPurges } {
  const server = { isUp: true };
  const taken: string[] = [];
  const owed = new OwedPurges(async (project, tag) => {
    if (server.isUp) taken.push(`${project} ${tag}`);
    return server.isUp;
  });
  return { server, taken, owed };
}

test('what the server takes is not owed', async () => {
  const { taken, owed } = playServer();
  await owed.end(owedBy('d', 'a'));
  expect([taken, owed.isEmpty]).toEqual([['p a'], true]);
});

test('what it did not take is said again, before anything else is answered', async () => {
  const { server, taken, owed } = playServer();
  server.isUp = false;
  for (let count = 0; count < 120; count += 1) await owed.end(owedBy('d', String(count)));
  expect(owed.isEmpty).toBe(false);
  expect(await owed.settle()).toBe(false);
  server.isUp = true;
  expect(await Promise.all([owed.settle(), owed.settle()])).toEqual([true, true]);
  expect(taken).toHaveLength(120);
  expect(new Set(taken).size).toBe(120);
  expect(owed.isEmpty).toBe(true);
});

test('it is said again by itself, too', async () => {
  vi.useFakeTimers();
  try {
    const { server, taken, owed } = playServer();
    server.isUp = false;
    await owed.end(owedBy('d', 'a'));
    await vi.advanceTimersByTimeAsync(60_000);
    server.isUp = true;
    await vi.advanceTimersByTimeAsync(5000);
    expect(taken).toEqual(['p a']);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('what is owed is bounded: beyond that all of a deployment is ended', async () => {
  const { server, taken, owed } = playServer();
  server.isUp = false;
  for (let count = 0; count < 25_000; count += 1) await owed.end(owedBy(`d${count % 3}`, `t${count}`));
  server.isUp = true;
  expect(await owed.settle()).toBe(true);
  expect(taken.length).toBeLessThan(10_010);
  for (const each of ['d0', 'd1', 'd2']) expect(taken).toContain(`p ${deploymentTag(each)}`);
  expect(taken).toContain('p t24999');
});
