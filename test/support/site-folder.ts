import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A temporary folder with these files, removed when the test ends. */
export async function siteFolder(files: Record<string, string | Buffer>): Promise<string> {
  const root = await writeFolder(files);
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  return root;
}

/** The same for the caller to remove. */
export async function writeFolder(files: Record<string, string | Buffer>): Promise<string> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'site-')));
  for (const [path, content] of Object.entries(files)) {
    const target = join(root, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }
  return root;
}
