import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';

const MAX_LINE_BYTES = 16 * 1024;
/** Lines a second that a process may write on average, and at once after a quiet time. */
const LINES_PER_SECOND = 200;
const LINES_AT_ONCE = 1000;

const record = z.object({ level: z.string().catch('info'), message: z.string() });

type Level = 'debug' | 'info' | 'warn' | 'error';
const LEVELS: Readonly<Record<string, Level>> = {
  debug: 'debug',
  trace: 'debug',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'error',
};

/** Who writes: asked for each line, since a process is started before it belongs to a deployment. */
export type Writer = () => Readonly<Record<string, string>>;

/**
 * Forwards what the functions of a process print. Each line becomes one record with the ids that the supervisor knows;
 * the text of the function is one string of it and cannot add or change a field. Too many lines are counted, not kept.
 */
export function forwardLogs(source: Readable, options: { log: Logger; clock: Clock; writer: Writer }): void {
  const { log, clock, writer } = options;
  const bucket = new TokenBucket(clock);
  splitLines(source, (line) => {
    const dropped = bucket.take();
    if (dropped === undefined) return;
    const { level, text } = parse(line);
    log[level](
      { ...writer(), output: text, ...(dropped > 0 ? { droppedLines: dropped } : {}) },
      'function output',
    );
  });
}

function parse(line: string): { level: Level; text: string } {
  const parsed = record.safeParse(parseJson(line));
  if (!parsed.success) return { level: 'info', text: line };
  return { level: LEVELS[parsed.data.level] ?? 'info', text: parsed.data.message };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // Not the structured form: a cut line, or something that workerd itself printed.
    return undefined;
  }
}

/** Calls `onLine` for each line without its end; what exceeds the longest line is cut off. */
function splitLines(source: Readable, onLine: (line: string) => void): void {
  let pending = '';
  source.setEncoding('utf8');
  source.on('data', (chunk: string) => {
    const lines = chunk.split('\n');
    for (const [index, part] of lines.entries()) {
      if (pending.length < MAX_LINE_BYTES) pending += part.slice(0, MAX_LINE_BYTES - pending.length);
      if (index === lines.length - 1) break;
      if (pending !== '') onLine(pending);
      pending = '';
    }
  });
  source.on('error', () => {
    // The process ended; its exit is reported elsewhere.
  });
}

/** Lets so many through a second; says at the next one how many it held back. */
class TokenBucket {
  readonly #clock: Clock;
  #tokens = LINES_AT_ONCE;
  #filledMs: number;
  #dropped = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledMs = clock.monotonicMs();
  }

  /** Undefined when this one is held back, else how many were since the last. */
  take(): number | undefined {
    const nowMs = this.#clock.monotonicMs();
    const gained = ((nowMs - this.#filledMs) / 1000) * LINES_PER_SECOND;
    this.#tokens = Math.min(LINES_AT_ONCE, this.#tokens + gained);
    this.#filledMs = nowMs;
    if (this.#tokens < 1) {
      this.#dropped += 1;
      return undefined;
    }
    this.#tokens -= 1;
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
