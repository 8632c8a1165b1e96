import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readMigrations } from '../../control-api/database/migrate.ts';
import { openDatabase } from '../../control-api/database/open-database.ts';
import { silentLogger } from '../../core/log.ts';
import { REPOSITORY } from './process.ts';

const CACHE = join(REPOSITORY, 'node_modules', '.cache', 'origan-tests');

/**
 * An empty embedded database with the present schema, where there is none yet. To create one takes seconds, so it is
 * created once for each state of the migrations and copied from then on.
 */
export async function prepareDatabase(directory: string): Promise<void> {
  if (existsSync(directory)) return;
  const template = join(CACHE, `database-${await fingerprint()}`);
  if (!existsSync(template)) await createTemplate(template);
  await cp(template, directory, { recursive: true });
}

async function fingerprint(): Promise<string> {
  const digest = createHash('sha256').update(process.version);
  for (const { name, checksum } of await readMigrations()) digest.update(`${name} ${checksum}\n`);
  return digest.digest('hex').slice(0, 16);
}

async function createTemplate(template: string): Promise<void> {
  const aside = `${template}.${randomUUID()}`;
  await mkdir(CACHE, { recursive: true });
  const options = { url: undefined, directory: aside, poolSize: 1 };
  const database = await openDatabase(options, silentLogger());
  await database.close();
  try {
    await rename(aside, template);
  } catch {
    // Another test was quicker: its template is as good.
    await rm(aside, { recursive: true, force: true });
  }
}
