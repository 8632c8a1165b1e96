import { expect, test } from 'vitest';
import { origan } from '../support/run-cli.ts';

/** Every command that does something, as the completion knows them. */
async function leaves(words: readonly string[] = []): Promise<string[][]> {
  const { out } = await origan(['__complete', '--', ...words, '']);
  const names = out.split('\n').filter((name) => name !== '');
  // The values of an argument are no commands.
  if (names.length === 0 || words[0] === 'completion') return [[...words]];
  return (await Promise.all(names.map((name) => leaves([...words, name])))).flat();
}

test('the help of every command tells its options, those of all, defaults and exit codes', async () => {
  const commands = await leaves();
  expect(commands.length).toBeGreaterThan(20);
  for (const words of commands) {
    const { code, out, err } = await origan([...words, '--help']);
    const name = words.join(' ');
    expect([name, code, err]).toEqual([name, 0, '']);
    expect(out).toMatch(new RegExp(`^Usage: origan ${name}\\b`));
    for (const option of ['--json', '--api-url <url>', '--token <token>']) expect(out).toContain(option);
    expect(out).toMatch(/Exit codes: 0 done, 1 failed, 2 wrong usage, .* 130 interrupted\.\n/);
    expect(out).not.toMatch(/\[\]|undefined/);
  }
});

test('options say what they are by default', async () => {
  const flat = async (...words: string[]): Promise<string> =>
    (await origan([...words, '--help'])).out.replaceAll(/\s+/g, ' ');
  expect(await flat('deploy')).toMatch(
    /--project <name> .*default: that of origan\.json.*--track .*default: production/,
  );
  expect(await flat('logs')).toMatch(/--lines <number> .*default: 100/);
  expect(await flat('doctor')).toMatch(/--gateway <url> .*default: http:\/\/127\.0\.0\.1:7779\)/);
  expect(await flat('deployments')).toMatch(/--api-url <url> .*default: that of origan login, else http/);
});
