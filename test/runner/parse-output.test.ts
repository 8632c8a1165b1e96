import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { parseOutput } from '../../runner/parse-output.ts';
import { readLines } from '../../runner/read-lines.ts';

const structured = (message: string, level = 'log'): string =>
  JSON.stringify({ timestamp: 1_700_000_000_000, level, message });
const parse = (text: string, isCut = false): ReturnType<typeof parseOutput> =>
  parseOutput({ bytes: Buffer.from(text), isCut });

const path = Buffer.from('deployments/d/api/ü.js').toString('base64');

test.each([
  [
    'a marked text',
    `\u001Er1\u001E${path}\u001Etext`,
    { message: 'text', requestId: 'r1', path: 'api/ü.js' },
  ],
  ['a marked value', `\u001Er1\u001E${path}\u001F { a: 1 }`, { message: '{ a: 1 }', requestId: 'r1' }],
  ['outside a request', `\u001E\u001E${path}\u001Etext`, { message: 'text', path: 'api/ü.js' }],
  ['a mark within the text', 'a \u001Er1\u001Ex\u001E b', { message: 'a \u001Er1\u001Ex\u001E b' }],
  [
    'a second mark',
    `\u001Er1\u001E\u001E\u001Er2\u001E\u001Etext`,
    { message: '\u001Er2\u001E\u001Etext', requestId: 'r1' },
  ],
  ['an id that is none', '\u001Ea b\u001E\u001Etext', { message: '\u001Ea b\u001E\u001Etext' }],
])('%s', (_name, message, expected) => {
  expect(parse(structured(message))).toMatchObject({ level: 'info', source: 'function', ...expected });
});

test('what workerd says of itself is for the operator; what it says of an error of the function is not', () => {
  const own = { timestamp: 't', level: 'error', source: 'workerd/server.c++:1', message: 'cannot listen' };
  expect(parse(JSON.stringify(own))).toEqual({ level: 'error', message: 'cannot listen', source: undefined });
  const message = 'Uncaught exception: workerd/jsg/value.h:1456: failed: remote.jsg.RangeError: too far';
  expect(parse(JSON.stringify({ ...own, message }))).toEqual({
    level: 'error',
    message: 'Uncaught RangeError: too far',
    source: 'platform',
  });
  expect(parse('*** fatal: no JSON at all')).toMatchObject({ level: 'info', source: undefined });
});

test('a record that was cut anywhere keeps its beginning', () => {
  const message = `\u001Er1\u001E\u001Eé"\\\n\u0001\u{1F600}end`;
  const whole = Buffer.from(structured(message, 'warn'));
  const begin = whole.indexOf('é');
  for (let end = begin; end < whole.length; end += 1) {
    const output = parseOutput({ bytes: whole.subarray(0, end), isCut: true });
    expect(output).toMatchObject({ level: 'warn', source: 'function', requestId: 'r1', isTruncated: true });
    expect(`é"\\\n\u0001\u{1F600}end"}`.startsWith(output.message)).toBe(true);
  }
});

test('lines are read across chunks, cut at their limit, and empty ones left out', async () => {
  const source = new PassThrough();
  const lines: string[] = [];
  readLines(source, 5, ({ bytes, isCut }) => void lines.push(`${bytes.toString()}${isCut ? '…' : ''}`));
  for (const chunk of ['on', 'e\n\ntw', 'o\nthre', 'eeee', 'e\nfours\nfiver\n', 'sixxxxx'])
    source.write(chunk);
  source.end('\nrest');
  await new Promise((resolve) => source.once('end', resolve));
  expect(lines).toEqual(['one', 'two', 'three…', 'fours', 'fiver', 'sixxx…']);
});
