import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseVariables, readVariables } from '../../cli/read-variables.ts';
import { siteFolder } from '../support/site-folder.ts';

describe('parseVariables', () => {
  test('the dotenv format', () => {
    const text = [
      '# comment',
      'PLAIN=a b',
      '  export SPACED = c # comment',
      "SINGLE='d # \\n $x'",
      'DOUBLE="e\\n\\"f\\"" # comment',
      'LINES="one',
      'two"',
      "KEY='-----BEGIN",
      "-----END'",
      'EMPTY=',
      'HASH=a#b',
      'EQUALS=a=b==',
      'WINDOWS=x\r',
      '',
    ].join('\n');
    expect(parseVariables(text)).toEqual({
      problems: [],
      variables: {
        PLAIN: 'a b',
        SPACED: 'c',
        SINGLE: 'd # \\n $x',
        DOUBLE: 'e\n"f"',
        LINES: 'one\ntwo',
        KEY: '-----BEGIN\n-----END',
        EMPTY: '',
        HASH: 'a#b',
        EQUALS: 'a=b==',
        WINDOWS: 'x',
      },
    });
  });

  test('wrong lines are named by number, never by content', () => {
    const { problems } = parseVariables('A=1\nhunter2\n1X=hunter2\n');
    expect(problems).toEqual(['line 2: must be NAME=value', 'line 3: must be NAME=value']);
  });
});

describe('readVariables', () => {
  test('a file that is not UTF-8 is refused: its values would be others', async () => {
    const file = join(await siteFolder({}), 'latin-1.env');
    await writeFile(file, Buffer.from('NAME=caf\u00E9', 'latin1'));
    await expect(readVariables([], [file])).rejects.toMatchObject({
      code: 'UNREADABLE',
      exitCode: 2,
      message: `${file} is not UTF-8 text.`,
    });
    await writeFile(file, '\uFEFFNAME=caf\u00E9');
    expect(await readVariables([], [file])).toEqual({ NAME: 'caf\u00E9' });
  });

  test('pairs win over files, later files over earlier ones', async () => {
    const root = await siteFolder({ a: 'X=1\nY=1\nZ=1', b: 'Y=2\nZ=2' });
    expect(await readVariables(['Z=3=3', 'E='], [join(root, 'a'), join(root, 'b')])).toEqual({
      X: '1',
      Y: '2',
      Z: '3=3',
      E: '',
    });
  });

  test.each([['NAME'], ['=hunter2'], ['a b=hunter2'], ['1A=hunter2'], ['__proto__=hunter2']])(
    '%s is refused, its value unsaid',
    async (pair) => {
      const failure = await readVariables([pair], []).catch((error: unknown) => error as Error);
      expect(failure).toMatchObject({ exitCode: 2 });
      expect((failure as Error).message).not.toContain('hunter2');
    },
  );

  test('a file that is not there', async () => {
    await expect(readVariables([], ['/no/such/.env'])).rejects.toThrow('/no/such/.env does not exist');
  });
});
