import { expect, test } from 'vitest';
import { runModel } from './model/run.ts';

const STEPS = Number(process.env['MODEL_STEPS'] ?? 100_000);
const SEEDS = [1, 2, 3, 4];

test.each(SEEDS)(
  'two gateways answer as the reference does (seed %i)',
  { timeout: 600_000, retry: 0 },
  async (seed) => {
    const tally = await runModel({ seed, steps: STEPS / SEEDS.length });
    process.stdout.write(`model: seed ${seed} ${JSON.stringify(tally)}\n`);
    expect(tally.stored).toBeGreaterThan(tally.requests / 20);
    expect(tally.validated).toBeGreaterThan(tally.requests / 50);
    expect(tally.parts).toBeGreaterThan(tally.requests / 100);
    expect(tally.completed).toBeGreaterThan(0);
    expect(tally.overtaken).toBeGreaterThan(tally.requests / 100);
  },
);
