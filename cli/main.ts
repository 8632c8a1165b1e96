#!/usr/bin/env node
import { text } from 'node:stream/consumers';
import { systemClock } from '../core/clock.ts';
import { runCli } from './program.ts';
import { processTerminal } from './terminal.ts';

const interrupt = new AbortController();
process.on('SIGINT', () => {
  // The second time at once: the first one may be waiting for the network.
  if (interrupt.signal.aborted) process.exit(130);
  interrupt.abort();
});

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  terminal: processTerminal(process.env),
  clock: systemClock,
  signal: interrupt.signal,
  readInput: async () => (process.stdin.isTTY ? undefined : await text(process.stdin)),
});
if (interrupt.signal.aborted) process.exitCode = 130;
