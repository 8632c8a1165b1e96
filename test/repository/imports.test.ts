import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REPOSITORY, startProcess } from '../support/process.ts';
import { sourceFiles } from '../support/source-files.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

// What each folder may import of the others: the table of ARCHITECTURE.md, "Folders".
const LOWER = ['core', 'contracts', 'store', 'cache', 'runner-client'];
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  contracts: ['core'],
  store: ['core'],
  cache: ['core', 'contracts'],
  'runner-client': ['core', 'contracts'],
  gateway: LOWER,
  runner: LOWER,
  'control-api': ['core', 'contracts', 'store', 'cache'],
  cli: ['core', 'contracts', 'cache'],
  standalone: [...LOWER, 'gateway', 'runner', 'control-api', 'cli'],
};
const FOLDERS = [...Object.keys(MAY_IMPORT), 'load', 'test'];

type Pair = { from: string; to: string; isAllowed: boolean };
const PAIRS: Pair[] = Object.entries(MAY_IMPORT).flatMap(([from, allowed]) =>
  FOLDERS.filter((to) => to !== from).map((to) => ({ from, to, isAllowed: allowed.includes(to) })),
);

describe('lint', () => {
  let project: TempDir;
  let refused: Set<string>;

  // One fixture for each pair of folders and each way to write an import; one run over all of them.
  const FORMS: Record<string, (path: string) => string> = {
    value: (path) => `import { value } from '${path}';\nexport const copy: number = value;\n`,
    type: (path) => `import type { Value } from '${path}';\nexport type Copy = Value;\n`,
    reexport: (path) => `export { value } from '${path}';\n`,
    deep: (path) => `import { value } from '../../${path}';\nexport const copy: number = value;\n`,
  };
  const fixtureOf = ({ from, to }: Pair, form: string): string =>
    form === 'deep' ? `${from}/a/b/${to}.${form}.ts` : `${from}/${to}.${form}.ts`;

  beforeAll(async () => {
    project = await makeTempDir('lint');
    await cp(join(REPOSITORY, '.oxlintrc.json'), join(project.path, '.oxlintrc.json'));
    const write = async (path: string, text: string): Promise<void> => {
      await mkdir(dirname(join(project.path, path)), { recursive: true });
      await writeFile(join(project.path, path), text);
    };
    for (const folder of FOLDERS) {
      await write(`${folder}/target.ts`, 'export type Value = number;\nexport const value: Value = 1;\n');
    }
    for (const pair of PAIRS) {
      for (const [form, text] of Object.entries(FORMS)) {
        await write(fixtureOf(pair, form), text(`../${pair.to}/target.ts`));
      }
    }
    const lint = startProcess(join(REPOSITORY, 'node_modules/.bin/oxlint'), {
      args: ['--format', 'json'],
      cwd: project.path,
    });
    expect((await lint.exited).code).toBe(1);
    const report = JSON.parse(lint.stdout()) as { diagnostics: { code: string; filename: string }[] };
    const found = report.diagnostics.filter(({ code }) => code.includes('no-restricted-imports'));
    refused = new Set(found.map(({ filename }) => filename));
  });
  afterAll(() => project.remove());

  test.each(PAIRS.filter(({ isAllowed }) => !isAllowed))('refuses that $from imports $to', (pair) => {
    for (const form of Object.keys(FORMS)) expect(refused).toContain(fixtureOf(pair, form));
  });

  test.each(PAIRS.filter(({ isAllowed }) => isAllowed))('lets $from import $to', (pair) => {
    for (const form of Object.keys(FORMS)) expect(refused).not.toContain(fixtureOf(pair, form));
  });
});

describe('the sources', () => {
  test('import in these directions only, dynamic imports included', async () => {
    const wrong: string[] = [];
    for (const file of await sourceFiles()) {
      const [from = ''] = file.split('/');
      const allowed = MAY_IMPORT[from];
      if (allowed === undefined) continue;
      for (const specifier of specifiersOf(await readFile(join(REPOSITORY, file), 'utf8'))) {
        const [to = ''] = relative('.', join(dirname(file), specifier)).split('/');
        if (to !== from && !allowed.includes(to)) wrong.push(`${file} imports ${specifier}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('of programs import no package that an installation without development tools lacks', async () => {
    const { dependencies } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const wrong: string[] = [];
    for (const file of await sourceFiles()) {
      const [folder = ''] = file.split('/');
      if (!(folder in MAY_IMPORT)) continue;
      for (const name of packagesOf(await readFile(join(REPOSITORY, file), 'utf8'))) {
        if (!(name in dependencies)) wrong.push(`${file} imports ${name}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('every folder with sources is in the table', async () => {
    const folders = new Set((await sourceFiles()).map((file) => file.split('/')[0] ?? ''));
    const known = new Set([...FOLDERS, 'infra', 'examples', 'vitest.config.ts', 'knip.config.ts']);
    expect([...folders].filter((folder) => !known.has(folder))).toEqual([]);
  });
});

/** The relative modules that a source names, in whatever form. */
function specifiersOf(text: string): string[] {
  const found = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.[^'"]*)['"]/g);
  return Array.from(found, (match) => match[1] ?? '');
}

/** The packages that a source names, without Node's own modules. */
function packagesOf(text: string): string[] {
  const found = text.matchAll(/^(?:import|export)\b[^;]*?\bfrom '([a-z@][^']*)'/gms);
  const names = Array.from(found, ([, specifier = '']) =>
    specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/'),
  );
  return names.filter((name) => !name.startsWith('node:'));
}
