import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../core/clock.ts';
import { startTestControlApi, TEST_TOKEN, type TestControlApi } from '../support/control-api.ts';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { origan } from '../support/run-cli.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

// Machines whose clocks differ: this one from the others, and the control API's from its database's.

const HOUR_MS = 3_600_000;
const later = (ms: number): Clock => ({ ...systemClock, nowMs: () => systemClock.nowMs() + ms });

let dirs: TempDir[];
let right: TestControlApi;
let late: TestControlApi;
let gateway: GatewayProcess;

beforeAll(async () => {
  dirs = [await makeTempDir('clock'), await makeTempDir('clock')];
  right = await startTestControlApi({ directory: dirs[0]?.path ?? '' });
  gateway = await startGatewayProcess({ runnerUrl: 'http://127.0.0.1:1' });
  late = await startTestControlApi({ directory: dirs[1]?.path ?? '', clock: later(-HOUR_MS) });
});
afterAll(async () => {
  await right.close();
  await late.close();
  await gateway.close();
  for (const dir of dirs) await dir.remove();
});

type Finding = { check: string; state: string; detail: string; fix?: string };

async function doctor(api: TestControlApi, clock?: Clock): Promise<Record<string, Finding>> {
  const { out } = await origan(['doctor', '--json', '-g', gateway.adminUrl], {
    env: { ORIGAN_API_URL: api.url, ORIGAN_TOKEN: TEST_TOKEN },
    ...(clock === undefined ? {} : { clock }),
  });
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  return Object.fromEntries(findings.map((finding) => [finding.check, finding]));
}

const MENDS = expect.stringContaining('timedatectl set-ntp true');

test('clocks that agree', async () => {
  const found = await doctor(right);
  for (const check of ['clock', 'gateway clock', 'database clock'])
    expect(found[check]).toMatchObject({ check, state: 'ok' });
});

test.each([
  ['ahead of', HOUR_MS],
  ['behind', -HOUR_MS],
])('this machine is %s the others', async (word, byMs) => {
  const found = await doctor(right, later(byMs));
  expect([found['clock'], found['gateway clock']]).toEqual([
    {
      check: 'clock',
      state: 'warning',
      detail: expect.stringMatching(
        new RegExp(`^this machine is (?:59 min 5\\d s|1 h 0 min) ${word} the control API$`),
      ),
      fix: MENDS,
    },
    { check: 'gateway clock', state: 'warning', detail: expect.stringContaining(word), fix: MENDS },
  ]);
});

test('the control API is behind its database', async () => {
  const found = await doctor(late);
  expect(found['clock']).toMatchObject({ state: 'ok' });
  expect(found['database clock']).toEqual({
    check: 'database clock',
    state: 'warning',
    detail: expect.stringMatching(/ahead of the control API's$/),
    fix: MENDS,
  });
});
