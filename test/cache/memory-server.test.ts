import { describe, expect, it } from 'vitest';
import { createMemoryServer } from '../../cache/open-cache.ts';

const MIB = 1_048_576;
const options = { maxItems: 1000, ttlMs: 60_000, numbering: { kind: 'from-one' } } as const;

describe('lists of a memory server', () => {
  it('take a bounded room together: the least used fall out', () => {
    const server = createMemoryServer();
    const line = 'x'.repeat(MIB);
    for (let index = 0; index < 200; index += 1) {
      server.appendList(`list:${index}`, [line], options);
      server.readListAfter('list:0', 0, 1);
    }
    expect([...server.names()].length).toBeLessThan(64);
    expect(server.readListAfter('list:0', 0, 1).items).toHaveLength(1);
    expect(server.readListAfter('list:199', 0, 1).items).toHaveLength(1);
    expect(server.readListAfter('list:1', 0, 1)).toEqual({ last: 0, items: [] });
  });

  it('take a bounded room each: the oldest items fall out, and it shows', () => {
    const server = createMemoryServer();
    const line = 'x'.repeat(MIB);
    for (let index = 0; index < 50; index += 1) server.appendList('list', [line], options);
    const { last, items } = server.readListAfter('list', 0, 1000);
    expect(last).toBe(50);
    expect(items.length).toBeGreaterThan(0);
    expect(items.length).toBeLessThan(16);
    expect(items[0]?.startsWith(`${51 - items.length}|`)).toBe(true);
  });
});
