#!/usr/bin/env node
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { systemClock } from '../core/clock.ts';
import { runCli } from './program.ts';
import { processTerminal } from './terminal.ts';

const INTERRUPTED = 130;

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second time at once: the first one may be waiting for the network.
    if (interrupt.signal.aborted) process.exit(INTERRUPTED);
    interrupt.abort();
  });
}

// A reader that has seen enough (`origan cache keys | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// That nobody reads the messages any more (`origan deploy 2>&1 | head`) ends no deploy half-way.
process.stderr.on('error', () => undefined);

// `npm run origan` changes to the repository's folder: paths are meant from where the user was, the state of
// `npm start` is where npm went.
const { env } = process;
const isRunByNpm = env['npm_lifecycle_event'] === 'origan' && env['INIT_CWD'] !== undefined;
const cwd = isRunByNpm ? (env['INIT_CWD'] ?? process.cwd()) : process.cwd();

const exitCode = await runCli(process.argv.slice(2), {
  env: { ...env, ORIGAN_STATE_DIR: env['ORIGAN_STATE_DIR'] ?? join(process.cwd(), '.origan') },
  cwd,
  terminal: processTerminal(env),
  clock: systemClock,
  signal: interrupt.signal,
  readInput: async () => (process.stdin.isTTY ? undefined : await text(process.stdin)),
});
process.exitCode = interrupt.signal.aborted ? INTERRUPTED : exitCode;
