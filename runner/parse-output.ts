import { z } from 'zod';
import { MAX_MESSAGE_BYTES, type FunctionLogLine, type LogLevel } from '../contracts/function-logs.ts';
import type { RawLine } from './read-lines.ts';
import { parseJson } from '../core/parse-json.ts';

/** What one line of a process says; without `source` it is workerd's own and for the operator alone. */
export type Output = Pick<FunctionLogLine, 'level' | 'message' | 'requestId' | 'path' | 'isTruncated'> & {
  source: FunctionLogLine['source'] | undefined;
};

const LEVELS: Readonly<Record<string, LogLevel>> = {
  debug: 'debug',
  trace: 'debug',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'error',
};

const record = z.object({
  level: z.string().catch('info'),
  message: z.string(),
  /** Where in workerd, on lines that are its own. */
  source: z.string().optional(),
});
type Parsed = z.output<typeof record>;

// isolate/console.js writes it: the request's id, the function's path, and whether a space of the formatting follows.
// oxlint-disable-next-line no-control-regex
const MARK = /^\u001E([\w.:-]{0,128})\u001E([\w+/=]*)(?:\u001E|\u001F ?)/;
const OWN_FRAMES = /\n +at [^\n]*\b(?:entry|console)\.js:\d+:\d+\)?/g;
const UNCAUGHT = /^Uncaught exception: [^]*?\bjsg\.(\w*): ([^]*)$/;
/** The form of workerd's records, for those whose end was cut off. */
const BEGINNING = /^\{"timestamp":\d+,"level":"(\w+)","message":"([^]*)$/;

/** Reads what a process printed: one of workerd's structured records, or anything else as it is. */
export function parseOutput({ bytes, isCut }: RawLine): Output {
  const text = bytes.toString('utf8');
  const parsed = isCut ? parseBeginning(text) : record.safeParse(parseJson(text)).data;
  if (parsed === undefined) return { ...limit(text, isCut), level: 'info', source: undefined };
  const level = LEVELS[parsed.level] ?? 'info';
  const mark = MARK.exec(parsed.message);
  if (mark === null) return { level, ...explainUnmarked(parsed, isCut) };
  const [whole, requestId = '', path = ''] = mark;
  const message = parsed.message.slice(whole.length).replaceAll(OWN_FRAMES, '');
  return {
    ...limit(message, isCut),
    level,
    source: 'function',
    ...(requestId === '' ? {} : { requestId }),
    ...(path === '' ? {} : { path: pathInDeployment(Buffer.from(path, 'base64').toString('utf8')) }),
  };
}

/** Lines that did not come through the function's console: what workerd says of an error it met, and of itself. */
function explainUnmarked(
  { message, source }: Parsed,
  isCut: boolean,
): Pick<Output, 'message' | 'isTruncated' | 'source'> {
  if (source === undefined) return { ...limit(message, isCut), source: 'function' };
  const [, name, text] = UNCAUGHT.exec(message) ?? [];
  if (name === undefined) return { ...limit(message, isCut), source: undefined };
  return { ...limit(`Uncaught ${name}: ${text}`, isCut), source: 'platform' };
}

/** Path of a function's code below `deployments/{id}/` or `projects/{id}/`. */
export function pathInDeployment(functionKey: string): string {
  return functionKey.split('/').slice(2).join('/');
}

/** Cuts a message to what is kept of one, between two characters. */
export function limit(message: string, isCut = false): Pick<FunctionLogLine, 'message' | 'isTruncated'> {
  if (Buffer.byteLength(message) <= MAX_MESSAGE_BYTES) {
    return isCut ? { message, isTruncated: true } : { message };
  }
  const bytes = Buffer.from(message).subarray(0, MAX_MESSAGE_BYTES);
  return { message: withoutHalves(bytes), isTruncated: true };
}

/** Bytes that were cut anywhere as text: a last character that is not whole is left out. */
function withoutHalves(bytes: Buffer): string {
  return new TextDecoder().decode(bytes, { stream: true });
}

function parseBeginning(text: string): Parsed | undefined {
  const [, level = '', rest] = BEGINNING.exec(text) ?? [];
  if (rest === undefined) return undefined;
  // A cut within a character or an escape leaves a piece of it at the end, one after the message its closing quote.
  const whole = rest
    .replace(/\uFFFD+$/, '')
    .replace(/(?<!\\)((?:\\\\)*)(?:"|\\(?:u[0-9a-fA-F]{0,3})?)$/, '$1');
  const message = z.string().safeParse(parseJson(`"${whole}"`)).data;
  return message === undefined ? undefined : { level, message };
}
