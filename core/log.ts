import cluster from 'node:cluster';
import { pino, symbols, type Logger as PinoLogger } from 'pino';
import { redact } from './redact.ts';

export type Logger = PinoLogger;

/**
 * Several processes of one program write to the same stream. A pipe takes up to PIPE_BUF bytes in one piece (pipe(7)), so
 * that whole lines in writes of at most that size never end up within one another; a single longer line may.
 */
const isStreamShared = cluster.isWorker;
const PIPE_BUF = 4096;

export type LogOptions = {
  /** Name of the program, a field of every line. */
  program: string;
  /** Lowest level written: trace, debug, info, warn, error, fatal or silent. */
  level: string;
  /**
   * Collect lines and write them 4 KiB or 200 ms at a time: for a program that logs each request. The last lines
   * before a crash can be lost; a program that exits in order flushes them. Default false: each line at once.
   */
  isBuffered?: boolean;
};

/** One JSON line per record on standard error, so that standard output stays free for a program's own result. */
export function createLogger({ program, level, isBuffered = false }: LogOptions): Logger {
  const options = {
    level,
    base: { program },
    // Secrets must never reach a log, whatever object is logged.
    formatters: { log: redact },
  };
  if (!isBuffered) return pino(options, pino.destination({ fd: 2, sync: true }));
  const size = isStreamShared ? { minLength: 0, maxWrite: PIPE_BUF } : { minLength: 4096 };
  return pino(options, pino.destination({ fd: 2, sync: false, periodicFlush: 200, ...size }));
}

/** A logger that writes nothing: for libraries used without one. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

/** Takes finished lines; `flush` hands what is collected to the logger's stream. */
export type LineWriter = { write(line: string): void; flush(): void };

const BATCH_LENGTH = 32_768;
const BATCH_MS = 200;

/**
 * Writes finished lines to where the logger writes: for a record so frequent that its line is assembled by hand.
 * Lines are collected here, since pino's stream measures all it holds at each write. Undefined when the logger would
 * not write lines of level info.
 */
export function infoLineWriter(log: Logger): LineWriter | undefined {
  if (!log.isLevelEnabled('info')) return undefined;
  const stream = (log as Logger & { [symbols.streamSym]: { write(line: string): unknown } })[
    symbols.streamSym
  ];
  let batch = '';
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (batch !== '') stream.write(batch);
    batch = '';
  };
  const write = (line: string): void => {
    if (isStreamShared && Buffer.byteLength(batch) + Buffer.byteLength(line) > PIPE_BUF) flush();
    batch += line;
    if (batch.length >= BATCH_LENGTH) flush();
    else timer ??= setTimeout(flush, BATCH_MS).unref();
  };
  return { write, flush };
}
