import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cache } from '../../cache/cache.ts';
import { keys, type ListKey } from '../../cache/keys.ts';
import type { ListPage } from '../../cache/list.ts';
import type { FunctionLogLine } from '../../contracts/function-logs.ts';
import type { Rig } from './rigs.ts';

/** What the lists of every backend must do. */
export function listConformance(makeRig: () => Promise<Rig>): void {
  let rig: Rig;
  let writer: Cache;
  let reader: Cache;
  let serial = 0;
  /** Another one each time: a test that is run once more begins with nothing. */
  const fresh = (): string => `list-${(serial += 1)}`;

  beforeAll(async () => {
    rig = await makeRig();
    writer = await rig.open();
    reader = await rig.open();
  });
  afterAll(() => rig.close());

  describe('lists', () => {
    it('keeps order, can be read on from a position, and caps its length', async () => {
      const key = { ...keys.buildLogs(fresh()), maxItems: 5 };
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
      const key = keys.functionLogs(fresh());
      await writer.append(key, [line('1'), line('2')]);
      const before = await positionAfter(key, 0);
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

    it('that is lost and begun anew within a moment keeps nothing from who reads on', async () => {
      for (let round = 0; round < 100; round += 1) {
        const key = keys.functionLogs(fresh());
        // So that the server of this key knows the scripts, and takes what follows in its order, without a pause.
        await writer.append(key, [line('0')]);
        await positionAfter(key, 0);
        await writer.del([key]);
        const [, page, , , after] = await Promise.all([
          writer.append(key, [line('1'), line('2')]),
          writer.readList(key, 0),
          writer.del([key]),
          writer.append(key, ['3', '4', '5', '6'].map(line)),
          writer.readList(key, 0),
        ]);
        if (page.kind !== 'items' || after.kind !== 'items') throw new Error('cannot be read');
        await writer.append(key, [line('7')]);
        expect((await positionAfter(key, page.next)).items).toEqual(['3', '4', '5', '6', '7'].map(line));
        const seen = [...after.items, ...(await positionAfter(key, after.next)).items];
        expect(seen).toEqual(['3', '4', '5', '6', '7'].map(line));
      }
    });

    it('that is begun anew by a process whose clock is behind keeps nothing from who reads on', async () => {
      const key = keys.functionLogs(fresh());
      const [nowMs, monotonicMs] = [Date.now(), () => performance.now()];
      const ahead = await rig.open({}, { clock: { monotonicMs, nowMs: () => nowMs } });
      const behind = await rig.open({}, { clock: { monotonicMs, nowMs: () => nowMs - 1 } });
      await ahead.append(key, [line('0')]);
      const before = await positionAfter(key, 0);
      await writer.del([key]);
      const lines = Array.from({ length: 1500 }, (_, index) => line(String(index)));
      await behind.append(key, lines);
      expect(await reader.readList(key, before.next, 3000)).toMatchObject({ items: lines });
    });

    it('shows at once what was appended, however much it was', async () => {
      const key = keys.functionLogs(fresh());
      const lines = Array.from({ length: 2000 }, (_, index) => line(String(index)));
      await writer.append(key, lines);
      expect(await reader.readList(key, 0, 3000)).toMatchObject({ items: lines });
    });
  });

  async function positionAfter(key: ListKey<FunctionLogLine>, after: number): Promise<ItemsPage> {
    const page = await reader.readList(key, after);
    if (page.kind !== 'items') throw page.cause;
    return page;
  }
}

type ItemsPage = Extract<ListPage<FunctionLogLine>, { kind: 'items' }>;

const line = (message: string): FunctionLogLine => ({
  timeMs: 1,
  level: 'info',
  message,
  source: 'function',
});
