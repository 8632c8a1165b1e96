import { pino, symbols, type Logger as PinoLogger } from 'pino';

export type Logger = PinoLogger;

// Secrets must never reach a log: whatever object is logged, these paths are replaced.
const REDACTED_PATHS = [
  'authorization',
  'cookie',
  'password',
  'token',
  'secret',
  'headers.authorization',
  'headers.cookie',
  'headers["set-cookie"]',
  '*.password',
  '*.token',
  '*.secret',
];

export type LogOptions = {
  /** Name of the program, a field of every line. */
  program: string;
  /** Lowest level written: trace, debug, info, warn, error, fatal or silent. */
  level: string;
  /**
   * Collect lines and write them 8 KiB or 200 ms at a time: for a program that logs each request. The last lines
   * before a crash can be lost; a program that exits in order flushes them. Default false: each line at once.
   */
  isBuffered?: boolean;
};

/** One JSON line per record on standard error, so that standard output stays free for a program's own result. */
export function createLogger({ program, level, isBuffered = false }: LogOptions): Logger {
  const options = { level, base: { program }, redact: { paths: REDACTED_PATHS, censor: '[redacted]' } };
  if (!isBuffered) return pino(options, pino.destination({ fd: 2, sync: true }));
  return pino(options, pino.destination({ fd: 2, sync: false, minLength: 8192, periodicFlush: 200 }));
}

/** A logger that writes nothing: for libraries used without one. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

/**
 * Writes finished lines to where the logger writes, in order with its own: for a record so frequent that its line is
 * assembled by hand. Undefined when the logger would not write lines of level info.
 */
export function infoLineWriter(log: Logger): ((line: string) => void) | undefined {
  if (!log.isLevelEnabled('info')) return undefined;
  const stream = (log as Logger & { [symbols.streamSym]: { write(line: string): unknown } })[
    symbols.streamSym
  ];
  return (line) => void stream.write(line);
}
