import { expect } from 'vitest';
import { apiPaths } from '../../contracts/control-api.ts';
import { connect } from '../../control-api/database/open-database.ts';
import { silentLogger } from '../../core/log.ts';
import type { CacheServer } from '../support/cache-server.ts';
import { manifestOf, talkTo } from '../support/control-api.ts';
import { ADMIN_TOKEN, type System } from '../support/system.ts';

// What the table of failures is made of, and conflicts that one has to arrange.

export type Situation =
  | 'wrong argument'
  | 'no network'
  | 'wrong token'
  | 'missing right'
  | 'unknown thing'
  | 'conflict'
  | 'no cache server'
  | 'cache server down'
  | 'wrong password';

export type Case = {
  situation: Situation;
  args: readonly string[];
  code: number;
  says: RegExp;
  env?: Record<string, string>;
  cwd?: string;
};

type Make = (says: RegExp, ...args: string[]) => Case;

export const make =
  (situation: Situation, code: number, given: Pick<Case, 'env' | 'cwd'> = {}): Make =>
  (says, ...args) => ({ situation, code, says, args, ...given });

/** Other deploys take over the track `taken` of the project `site` again and again, whoever has its lock. */
export async function takeTrack(system: System, databaseUrl: string): Promise<void> {
  const manifest = manifestOf([{ path: '/index.html', content: 'taken' }]);
  const body = { manifest, track: 'taken' };
  await talkTo(system.controlApi.url).send('POST', apiPaths.deployments('site'), body, ADMIN_TOKEN);
  const database = await connect({ url: databaseUrl, directory: '', poolSize: 1 }, silentLogger());
  await database.withSession((session) =>
    session.query(`update tracks set fence = $1 where name = 'taken'`, [Date.now() + 86_400_000]),
  );
  await database.close();
}

/** Key prefix of an environment whose keys another process walks through, for longer than a test. */
export const WALKED = 'walked:';

export async function holdWalk(server: CacheServer): Promise<void> {
  await server.admin().set(`${WALKED}lock:sweep`, 'somebody-else', 'PX', 3_600_000);
}

/** No stack, no value that nobody meant to print, no colour and no secret. */
export function checkClean(text: string, secrets: readonly string[]): void {
  expect(text).not.toMatch(/\n\s+at |node:internal/);
  expect(text).not.toMatch(/undefined|\[object|\bNaN\b/);
  expect(text).not.toContain('\u001B[');
  for (const secret of secrets) expect(text).not.toContain(secret);
}
