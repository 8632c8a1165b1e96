import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import type { Rig } from './rigs.ts';

/** What the lists of every backend must do. */
export function listConformance(makeRig: () => Promise<Rig>): void {
  let rig: Rig;
  let writer: Cache;
  let reader: Cache;

  beforeAll(async () => {
    rig = await makeRig();
    writer = await rig.open();
    reader = await rig.open();
  });
  afterAll(() => rig.close());

  describe('lists', () => {
    it('keeps order, can be read on from a position, and caps its length', async () => {
      const key = { ...keys.buildLogs('b1'), maxItems: 5 };
      const line = (message: string) => ({ timestamp: 't', level: 'info', message });
      expect(await reader.readList(key, 0)).toMatchObject({ kind: 'items', items: [], next: 0 });
      await writer.append(key, [line('1'), line('2')]);
      const page = await reader.readList(key, 0);
      expect(page).toMatchObject({ items: [line('1'), line('2')], next: 2, isTruncated: false });
      await writer.append(key, ['3', '4', '5', '6', '7', '8'].map(line));
      expect(await reader.readList(key, 2)).toMatchObject({
        items: ['4', '5', '6', '7', '8'].map(line),
        next: 8,
        isTruncated: true,
      });
      expect(await reader.readList(key, 8)).toMatchObject({ items: [], next: 8, isTruncated: false });
      await writer.del([{ ...keys.userOrgs('x'), name: key.name }]);
      await writer.append(key, [line('anew')]);
      expect(await reader.readList(key, 8)).toMatchObject({
        items: [line('anew')],
        next: 1,
        isTruncated: true,
      });
    });

    it('that is numbered by time goes on counting where it was lost', async () => {
      const key = keys.functionLogs('d1');
      const line = (message: string) => ({ timeMs: 1, level: 'info', message, source: 'function' }) as const;
      await writer.append(key, [line('1'), line('2')]);
      const before = await reader.readList(key, 0);
      if (before.kind !== 'items') throw before.cause;
      expect(before.items).toEqual([line('1'), line('2')]);
      expect(await reader.readList(key, before.next - 1)).toMatchObject({
        items: [line('2')],
        isTruncated: false,
      });
      expect(await reader.readList(key, before.next)).toMatchObject({
        items: [],
        next: before.next,
        isTruncated: false,
      });
      await writer.del([key]);
      await writer.append(key, [line('3'), line('4'), line('5')]);
      const after = await reader.readList(key, before.next);
      expect(after).toMatchObject({ items: [line('3'), line('4'), line('5')], isTruncated: true });
    });
  });
}
