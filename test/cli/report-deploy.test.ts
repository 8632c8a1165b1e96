import { describe, expect, test } from 'vitest';
import { createDeployReporter, describeFlip } from '../../cli/report-deploy.ts';
import { bytes, duration, table } from '../../cli/format.ts';
import type { Terminal } from '../../cli/terminal.ts';
import type { DeploySummary } from '../../cli/deploy.ts';

function terminal(isInteractive: boolean): { terminal: Terminal; written: () => string } {
  let text = '';
  const write = (more: string): void => void (text += more);
  return {
    terminal: { out: write, err: write, isInteractive, hasColor: false, columns: 60 },
    written: () => text,
  };
}

const progress = (objects: number) =>
  ({ kind: 'uploading', objects, totalObjects: 4, bytes: objects * 1000, totalBytes: 4000 }) as const;

const flip = (more: Partial<DeploySummary['result']>): DeploySummary['result'] =>
  ({
    outcome: 'live',
    domains: [],
    acknowledged: ['a', 'b', 'c'],
    expired: [],
    isComplete: true,
    durationMs: 9.4,
    ...more,
  }) as DeploySummary['result'];

describe('the progress of a deploy', () => {
  test('on a screen one line is drawn again, never wider than the screen, and cleared', () => {
    const screen = terminal(true);
    const reporter = createDeployReporter(screen.terminal);
    reporter.report(progress(1));
    reporter.report(progress(4));
    reporter.report({ kind: 'finishing' });
    const drawn = screen.written().split('\r\u001B[K');
    expect(drawn[1]).toContain('1/4, 1 kB of 4 kB');
    expect(drawn[2]).toContain('4/4');
    for (const line of drawn) expect(line.length).toBeLessThan(60);
    expect(drawn.at(-1)).toBe('Going live …\n');
    reporter.end();
    expect(screen.written().endsWith('Going live …\n')).toBe(true);
  });

  test('in a log there is no bar', () => {
    const log = terminal(false);
    createDeployReporter(log.terminal).report(progress(1));
    expect(log.written()).toBe('');
  });
});

test.each([
  [{}, 'live on 3 of 3 gateways after 9 ms'],
  [{ acknowledged: ['a'], durationMs: 1 }, 'live on 1 of 1 gateway after 1 ms'],
  [{ expired: ['d'] }, 'live on 3 of 4 gateways after 9 ms (d did not answer: the lease ran out)'],
  [{ acknowledged: [] }, 'live; no gateway is running yet'],
  [
    { isComplete: false },
    'live; the cache server was not reached, so gateways follow as their leases run out',
  ],
  [
    { outcome: 'superseded', supersededBy: 'x' },
    'complete, but not shown: the track shows a newer deployment (x)',
  ],
  [{ outcome: 'preview' }, 'complete; shown at its preview address only'],
] as [Partial<DeploySummary['result']>, string][])('%j reads: %s', (more, text) => {
  expect(describeFlip(flip(more))).toBe(text);
});

test('numbers are written as people read them', () => {
  expect([0, 999, 1000, 1449, 99_499, 999_499, 999_500, 12_345_678].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1 kB',
    '1.4 kB',
    '99 kB',
    '999 kB',
    '1 MB',
    '12 MB',
  ]);
  expect([0.4, 999, 1400, 59_940, 125_000].map(duration)).toEqual([
    '0 ms',
    '999 ms',
    '1.4 s',
    '59.9 s',
    '2 min 5 s',
  ]);
  expect(
    table(
      ['A', 'LONG'],
      [
        ['value', 'x'],
        ['y', ''],
      ],
    ),
  ).toBe('A      LONG\nvalue  x\ny\n');
});
