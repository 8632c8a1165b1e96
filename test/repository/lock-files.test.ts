import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { REPOSITORY } from '../support/process.ts';
import { repositoryFiles } from '../support/source-files.ts';

const names = z.record(z.string(), z.string()).default({});
const lockFile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      dependencies: names,
      optionalDependencies: names,
      devDependencies: names,
      resolved: z.string().optional(),
    }),
  ),
});

type Locked = z.output<typeof lockFile>['packages'];

const files = (await repositoryFiles()).filter((file) => file.endsWith('package-lock.json'));

describe.each(files)('%s', (file) => {
  const read = async (): Promise<Locked> =>
    lockFile.parse(JSON.parse(await readFile(join(REPOSITORY, file), 'utf8'))).packages;

  // `npm ci` refuses a lock file without them, binaries for other platforms included; npm leaves those out when the
  // registry it was made with has none.
  test('has every package that another one names', async () => {
    const packages = await read();
    const missing = Object.entries(packages).flatMap(([path, entry]) =>
      Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })
        .filter((name) => findFrom(packages, path, name) === undefined)
        .map((name) => `${path} -> ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test('names no registry', async () => {
    const naming = Object.entries(await read()).filter(([, entry]) => entry.resolved?.startsWith('http'));
    expect(naming.map(([path]) => path)).toEqual([]);
  });
});

/** The package as Node would find it: in the nearest node_modules upwards. */
function findFrom(packages: Locked, path: string, name: string): string | undefined {
  for (let base = path; ; base = base.slice(0, Math.max(0, base.lastIndexOf('node_modules/') - 1))) {
    const candidate = base === '' ? `node_modules/${name}` : `${base}/node_modules/${name}`;
    if (candidate in packages) return candidate;
    if (base === '') return undefined;
  }
}
