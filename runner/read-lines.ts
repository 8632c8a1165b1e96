import type { Readable } from 'node:stream';

const NEWLINE = 10;

/** A line without its end; `isCut` where it was longer than what is kept of one. */
export type RawLine = { bytes: Buffer; isCut: boolean };

/**
 * Calls `onLine` for each line, of at most `maxBytes`. Works on bytes, so that lines which nobody wants cost next to
 * nothing: a function may write faster than anybody reads.
 */
export function readLines(source: Readable, maxBytes: number, onLine: (line: RawLine) => void): void {
  let kept: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer): void => {
    if (length < maxBytes && part.length > 0) kept.push(part.subarray(0, maxBytes - length));
    length += part.length;
  };
  source.on('data', (chunk: Buffer) => {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      add(chunk.subarray(from, end));
      from = end + 1;
      const [only = Buffer.alloc(0)] = kept;
      if (length > 0)
        onLine({ bytes: kept.length === 1 ? only : Buffer.concat(kept), isCut: length > maxBytes });
      kept = [];
      length = 0;
    }
    add(chunk.subarray(from));
  });
  source.on('error', () => {
    // The process ended; its exit is reported elsewhere.
  });
}
