import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REPOSITORY, startNode, startProcess } from '../support/process.ts';
import { siteFolder } from '../support/site-folder.ts';
import { startDeafServer } from '../support/deaf-server.ts';

// The program itself, as a shell starts it.

test('the exit code says what happened; results and messages go to different streams', async () => {
  const version = startNode('cli/main.ts', { args: ['--version'] });
  expect((await version.exited).code).toBe(0);
  expect([version.stdout(), version.stderr()]).toEqual(['0.1.0\n', '']);
  const wrong = startNode('cli/main.ts', { args: ['deplyo'] });
  expect((await wrong.exited).code).toBe(2);
  expect([wrong.stdout(), wrong.stderr()]).toEqual(['', expect.stringContaining('Did you mean deploy?')]);
});

test('Ctrl-C ends a deploy that waits for the network, with one line', async () => {
  const deaf = await startDeafServer();
  const root = await siteFolder({ 'index.html': '' });
  const args = ['deploy', root, '-p', 'x', '--api-url', deaf.url, '--token', 't'];
  const deploy = startNode('cli/main.ts', { args });
  await deploy.waitFor(/ {2}from /);
  const { code } = await deploy.stop('SIGINT');
  expect(code).toBe(130);
  expect(deploy.stderr()).toContain('Interrupted');
  await deaf.close();
});

test('colours appear on a terminal and nowhere else', async () => {
  const command = `${process.execPath} cli/main.ts domains add "a b" -p x`;
  // `script` (util-linux) runs it on a terminal of its own.
  const onTerminal = async (env: Record<string, string>): Promise<string> => {
    const run = startProcess('script', {
      args: ['-qec', command, '/dev/null'],
      env: { TERM: 'xterm', ...env },
    });
    expect((await run.exited).code).toBe(2);
    return run.stdout();
  };
  expect(await onTerminal({})).toContain('\u001B[31mError:\u001B[39m ');
  for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    const plain = await onTerminal(env);
    expect([plain.includes('Error: '), plain.includes('\u001B[')]).toEqual([true, false]);
  }
  const piped = startNode('cli/main.ts', { args: ['domains', 'add', 'a b', '-p', 'x'] });
  expect((await piped.exited).code).toBe(2);
  expect(piped.stderr()).not.toContain('\u001B[');
});

test('a reader that closes the pipe is no failure', async () => {
  const child = spawn(process.execPath, ['cli/main.ts', 'completion', 'bash'], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text));
  const [code] = (await once(child, 'close')) as [number];
  expect([code, stderr]).toEqual([0, '']);
});

test('nor is one that closes that of the messages', async () => {
  const child = spawn(process.execPath, ['cli/main.ts', 'deploy', '/no/such/folder', '-p', 'x'], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.resume();
  child.stderr.destroy();
  const [code] = (await once(child, 'close')) as [number];
  // Of the folder, not of the pipe.
  expect(code).toBe(2);
});

test('run by npm, paths are meant from where the user was', async () => {
  const root = await siteFolder({ 'here/other.txt': '' });
  const env = { npm_lifecycle_event: 'origan', INIT_CWD: root, ORIGAN_API_URL: 'http://127.0.0.1:1' };
  const deploy = startNode('cli/main.ts', { args: ['deploy', 'here', '-p', 'x'], env });
  expect((await deploy.exited).code).toBe(3);
  expect(deploy.stderr()).toContain(`from ${join(root, 'here')}`);
});
