import { runProgram } from '../core/lifecycle.ts';
import { startStandalone } from './start-standalone.ts';

const CLOSE_TIMEOUT_MS = 4500;

await runProgram(
  'origan',
  () => startStandalone(process.env, (line) => void process.stdout.write(`${line}\n`)),
  {
    closeTimeoutMs: CLOSE_TIMEOUT_MS,
  },
);
