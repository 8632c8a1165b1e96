import type { Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';
const LONGEST_INTERIM = 64 * 1024;
/** Where the status begins in `HTTP/1.1 200`, and the byte `1` that interim ones begin with. */
const STATUS_AT = 9;
const ONE = 0x31;

/**
 * Takes a `100 Continue` that nobody asked for out of what a runner sends. RFC 9110 section 15.2 obliges a client to
 * read over it; undici, which never sends Expect, takes it for a broken answer. Other interim answers stay.
 *
 * Only what comes between a request and the head of its answer is looked at, so no body is ever touched.
 */
export function skipContinue(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  let isAwaitingHead = false;
  let held: Buffer | undefined;
  socket.write = (...args: unknown[]): boolean => {
    if (isRequestHead(args[0])) isAwaitingHead = true;
    return write(...args);
  };
  socket.read = (size?: number): Buffer | null => {
    const chunk = read(size);
    if (!isAwaitingHead || chunk === null) return chunk;
    const split = splitInterim(held === undefined ? chunk : Buffer.concat([held, chunk]));
    held = split.incomplete;
    isAwaitingHead = split.incomplete !== undefined || split.isOnlyInterim;
    return split.passed.length === 0 ? null : split.passed;
  };
}

type Split = {
  /** What goes on to the parser. */
  passed: Buffer;
  /** The beginning of an interim answer whose end has not come yet. */
  incomplete: Buffer | undefined;
  /** Whether the answer itself has not begun. */
  isOnlyInterim: boolean;
};

function splitInterim(bytes: Buffer): Split {
  const passed: Buffer[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const kind = kindOf(rest);
    const end = kind === 'final' ? -1 : rest.indexOf(HEAD_END);
    if (kind === 'final' || (end === -1 && rest.length > LONGEST_INTERIM)) {
      return { passed: join(passed, rest), incomplete: undefined, isOnlyInterim: false };
    }
    if (end === -1) return { passed: join(passed), incomplete: rest, isOnlyInterim: true };
    const block = rest.subarray(0, end + HEAD_END.length);
    if (kind !== 'continue') passed.push(block);
    rest = rest.subarray(block.length);
  }
  return { passed: join(passed), incomplete: undefined, isOnlyInterim: true };
}

/** `unknown`: too short to tell. A switch of protocols ends HTTP on the connection and is final here. */
function kindOf(bytes: Buffer): 'continue' | 'interim' | 'unknown' | 'final' {
  if (bytes.length > STATUS_AT && bytes[STATUS_AT] !== ONE) return 'final';
  const start = bytes.toString('latin1', 0, 12);
  if (start.length < 12) return 'HTTP/1.1 1'.startsWith(start.slice(0, 10)) ? 'unknown' : 'final';
  if (!start.startsWith('HTTP/1.')) return 'final';
  const status = start.slice(STATUS_AT);
  if (status === '101') return 'final';
  return status === '100' ? 'continue' : 'interim';
}

function isRequestHead(data: unknown): boolean {
  return typeof data === 'string' && data.length > 16 && data.includes(' HTTP/1.1\r\n');
}

function join(parts: readonly Buffer[], last?: Buffer): Buffer {
  if (parts.length === 0) return last ?? Buffer.alloc(0);
  return Buffer.concat(last === undefined ? parts : [...parts, last]);
}
