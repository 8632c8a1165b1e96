import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { describeStartFailure } from '../../core/lifecycle.ts';
import { freePort } from '../support/free-port.ts';
import { startNode, type StartedProcess } from '../support/process.ts';

const run = (behaviour: string, port = 0): StartedProcess =>
  startNode('test/core/programs/run-parts.ts', { args: [behaviour, String(port)], stdin: 'pipe' });

describe('a program', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'closes its parts in reverse order on %s and exits with 0',
    async (signal) => {
      const program = run('orderly');
      await program.waitFor(/^started$/m);
      expect(await program.stop(signal)).toEqual({ code: 0, signal: null });
      expect(program.stdout()).toBe('started\nclosed third\nclosed second\nclosed first\n');
      expect(program.stderr()).toBe('');
    },
  );

  test('closes the other parts when one fails to close', async () => {
    const program = run('one-fails-to-close');
    await program.waitFor(/^started$/m);
    expect(await program.stop()).toEqual({ code: 0, signal: null });
    expect(program.stdout()).toBe('started\nclosed third\nclosed first\n');
    expect(program.stderr()).toMatch(/a part did not close cleanly/);
  });

  test('exits with 1 and says why when closing fails as a whole', async () => {
    const program = run('close-fails');
    await program.waitFor(/^started$/m);
    expect(await program.stop()).toEqual({ code: 1, signal: null });
    expect(program.stderr()).toBe('test: could not close\n');
  });

  test('exits with 1 when closing takes longer than allowed', async () => {
    const program = run('close-hangs');
    await program.waitFor(/^started$/m);
    expect(await program.stop()).toEqual({ code: 1, signal: null });
    expect(program.stderr()).toBe('test: did not stop within 200 ms, ending now\n');
  });

  test('exits at once on a second signal', async () => {
    const program = run('close-hangs-long');
    await program.waitFor(/^started$/m);
    program.child.kill('SIGTERM');
    await program.waitFor(/^closing$/m);
    expect(await program.stop('SIGINT')).toEqual({ code: 1, signal: null });
  });

  test('that is told to stop while it starts closes what it started', async () => {
    const program = run('starts-slowly');
    await program.waitFor(/^starting$/m);
    program.child.kill('SIGTERM');
    program.child.stdin?.end();
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stdout()).toBe('starting\nstarted\nclosed first\n');
  });

  test('that cannot start prints one message and exits with 1', async () => {
    const program = run('start-fails');
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stdout()).toBe('');
    expect(program.stderr()).toBe('test: nothing to serve\n');
  });

  test('prints every wrong key when its environment is wrong', async () => {
    const program = run('wrong-environment');
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr()).toBe(
      'test: wrong configuration\n  - PORT: must be a whole number from 1 to 65535\n  - NAME: is required but not set\n',
    );
  });

  test('says what to do about a port in use', async () => {
    const taken = createServer();
    const port = await freePort();
    taken.listen(port, '127.0.0.1');
    await once(taken, 'listening');
    const program = run('listens', port);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr()).toBe(
      `test: listen EADDRINUSE: address already in use 127.0.0.1:${port}. Stop what uses the port, or set another one.\n`,
    );
    taken.close();
  });

  test('frees its port', async () => {
    const port = await freePort();
    const program = run('listens', port);
    await program.waitFor(/^started$/m);
    const client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    client.destroy();
    expect(await program.stop()).toEqual({ code: 0, signal: null });
    const again = connect(port, '127.0.0.1');
    const [error] = (await once(again, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });
});

describe('describeStartFailure', () => {
  test('says what to do about a place that is not accessible', () => {
    const error = Object.assign(new Error("EACCES: permission denied, mkdir '/x'"), { code: 'EACCES' });
    expect(describeStartFailure('gateway', error)).toMatch(/^gateway: EACCES.*Give this user access to it/);
  });

  test('describes anything that can be thrown', () => {
    for (const code of ['EEXIST', 'ENOTDIR', 'EROFS', 'EADDRNOTAVAIL', 'ENOTFOUND', 'ENOSPC']) {
      const other = Object.assign(new Error(`${code}: it is so`), { code });
      expect(describeStartFailure('gateway', other)).toMatch(/^gateway: \w+: it is so\. .+\.$/);
    }
    expect(describeStartFailure('gateway', 'text')).toBe('gateway: text');
    expect(describeStartFailure('gateway', undefined)).toBe('gateway: undefined');
    expect(describeStartFailure('gateway', null)).toBe('gateway: null');
  });
});
