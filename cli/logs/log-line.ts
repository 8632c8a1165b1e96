import { stripVTControlCharacters } from 'node:util';
import type { LogEntry } from '../../contracts/control-api-admin.ts';
import { LOG_LEVELS, type FunctionLogEntry, type LogLevel } from '../../contracts/function-logs.ts';
import { paint, type Style, type Terminal } from '../terminal.ts';

/** A line of a build or of functions, as it is printed and as `--json` has it. */
export type LogLine = FunctionLogEntry | (LogEntry & { source: 'build'; buildId: string });

const STYLES: Readonly<Record<LogLevel, Style>> = {
  debug: 'dim',
  info: 'cyan',
  warn: 'yellow',
  error: 'red',
};

export function describeLine(terminal: Terminal, line: LogLine): string {
  const { timestamp, level, message } = line;
  const words = [paint(terminal, 'dim', timestamp), paint(terminal, STYLES[level], level.padEnd(5))];
  const origin = originOf(line);
  if (origin !== '') words.push(paint(terminal, 'dim', printable(origin)));
  const isCut = line.source !== 'build' && line.isTruncated === true;
  // Every further line of a message is set in, so that none can pass for a line of its own.
  words.push(
    printable(message).replaceAll('\n', '\n    ') + (isCut ? paint(terminal, 'dim', ' … (cut)') : ''),
  );
  return `${words.join(' ')}\n`;
}

/** Whether the line is as urgent as asked for, and not older. */
export function isWanted(
  { level, timestamp }: LogLine,
  wanted: { level?: LogLevel | undefined; since?: string | undefined },
): boolean {
  const isUrgent = LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(wanted.level ?? 'debug');
  return isUrgent && (wanted.since === undefined || Date.parse(timestamp) >= Date.parse(wanted.since));
}

function originOf(line: LogLine): string {
  if (line.source === 'build') return 'build';
  return [line.route, line.requestId].filter((part) => part !== undefined).join(' ');
}

/** Output may hold anything: what moves a terminal's cursor or changes its state must not reach it. */
function printable(message: string): string {
  return stripVTControlCharacters(message).replaceAll(/[^\P{Cc}\t\n]/gu, '');
}
