import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY, startProcess } from './process.ts';

/**
 * Installs the packages of a folder below `test/` that has a package.json of its own, unless they are there: what a
 * single test needs is not part of the repository's own install. Answers the path of its `node_modules`.
 */
export async function installPackages(folder: string): Promise<string> {
  const directory = join(REPOSITORY, 'test', folder);
  const modules = join(directory, 'node_modules');
  const wanted = await readVersions(join(directory, 'package-lock.json'));
  const present = await readVersions(join(modules, '.package-lock.json'));
  if (present !== '' && present === wanted) return modules;
  // Not `npm ci`: it refuses a lock file whose optional packages, for other platforms, a registry does not have.
  // npm needs what the caller's environment says about registries and proxies.
  const env = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? '']));
  const install = async (): Promise<string | undefined> => {
    const args = ['install', '--no-save', '--no-fund', '--no-audit'];
    const npm = startProcess('npm', { cwd: directory, args, env });
    const { code } = await npm.exited;
    return code === 0 ? undefined : npm.stderr();
  };
  // A registry that is out of reach for a moment is asked once more: hooks, where this is called, are not run again.
  const failure = (await install()) === undefined ? undefined : await install();
  if (failure !== undefined) throw new Error(`npm install in test/${folder} failed:\n${failure}`);
  return modules;
}

type Lock = { packages: Record<string, { version?: string; optional?: boolean }> };

/** Names and versions of a lock file, without what only some platforms install; empty when there is no file. */
async function readVersions(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '{"packages":{}}');
  const { packages } = JSON.parse(text) as Lock;
  return Object.entries(packages)
    .filter(([name, { optional }]) => name !== '' && optional !== true)
    .map(([name, { version }]) => `${name}@${version}`)
    .sort()
    .join('\n');
}
