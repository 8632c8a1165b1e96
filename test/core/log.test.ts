import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../core/log.ts';
import { startNode } from '../support/process.ts';

/** The lines that a real process writes for what it is told to log. */
async function logged(records: unknown[], options: object = {}): Promise<Record<string, unknown>[]> {
  const program = startNode('test/core/programs/write-log.ts', {
    args: [JSON.stringify({ records, options })],
  });
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(program.stdout()).toBe('result\n');
  const lines = program.stderr().split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the log', () => {
  test('is one JSON object a line on standard error, with the program', async () => {
    const [line, ...more] = await logged([{ host: 'a.example', count: 3 }]);
    expect(line).toMatchObject({ program: 'test', level: 30, msg: 'logged', host: 'a.example', count: 3 });
    expect(more).toEqual([]);
  });

  test('never holds a secret, wherever in a record and however it is written', async () => {
    const secret = 'hunter2';
    const records = [
      { password: secret, token: secret, authorization: secret, cookie: secret },
      { headers: { authorization: secret, Cookie: secret, 'Set-Cookie': [secret], 'x-api-key': secret } },
      { request: { headers: { Authorization: secret, 'proxy-authorization': secret } } },
      { config: { BUCKET_SECRET_KEY: secret, BUCKET_ACCESS_KEY: secret, CACHE_PASSWORD: secret } },
      { store: { accessKey: secret, secretKey: secret }, runner: { sharedSecret: secret } },
      { list: [{ githubToken: secret }, { privateKey: secret }] },
      { url: `redis://user:${secret}@cache:6379/0`, error: `connect redis://:${secret}@cache failed` },
      {
        deep: { er: { still: { more: { environmentVariables: { X: secret }, sealedEnvironment: secret } } } },
      },
    ];
    const lines = await logged(records);
    expect(lines).toHaveLength(records.length);
    expect(JSON.stringify(lines)).not.toContain(secret);
    expect(lines[0]).toMatchObject({ password: '[redacted]', cookie: '[redacted]' });
    expect(lines[6]).toMatchObject({ url: 'redis://[redacted]@cache:6379/0' });
  });

  test('leaves everything else alone', async () => {
    const record = {
      key: 'domain:a.example',
      keys: 3,
      tokens: 17,
      host: 'cookie.example',
      url: 'http://host:80/path@x',
      nested: { list: [1, 'two', null, true], empty: {} },
    };
    const [line] = await logged([record]);
    expect(line).toMatchObject(record);
  });

  test('survives a record that contains itself', async () => {
    const [line] = await logged(['itself']);
    expect(line).toMatchObject({ msg: 'logged', name: 'itself' });
  });

  test('writes what is buffered when the program exits', async () => {
    const lines = await logged([{ index: 0 }, { index: 1 }, { index: 2 }], { isBuffered: true });
    expect(lines.map((line) => line['index'])).toEqual([0, 1, 2]);
  });

  test('writes nothing below its level', async () => {
    expect(await logged([{ index: 0 }], { level: 'warn' })).toEqual([]);
    expect(silentLogger().isLevelEnabled('fatal')).toBe(false);
  });
});
