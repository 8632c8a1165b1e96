import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type TempDir = { path: string; remove(): Promise<void> };

/** An empty directory of its own for one test; `remove` takes it away with everything in it. */
export async function makeTempDir(purpose = 'test'): Promise<TempDir> {
  const path = await realpath(await mkdtemp(join(tmpdir(), `origan-${purpose}-`)));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}
