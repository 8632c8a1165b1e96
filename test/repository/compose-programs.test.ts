import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { REPOSITORY, startProcess } from '../support/process.ts';
import { readCompose, type Service } from '../support/read-compose.ts';
import { repositoryFiles } from '../support/source-files.ts';

const PROGRAMS = ['gateway', 'runner', 'control-api'] as const;

const compose = await readCompose('docker-compose.yml');

const serviceOf = (name: string): Service => {
  const service = compose.services[name];
  if (service === undefined) throw new Error(`no service ${name}`);
  return service;
};

describe('the programs of docker-compose.yml', () => {
  test.each(PROGRAMS)('every variable of %s is one that it reads', async (name) => {
    const known = await variablesOf(name);
    const given = Object.keys(serviceOf(name).environment).filter((key) => key !== 'HEALTH_URL');
    expect(given.filter((key) => !known.has(key))).toEqual([]);
  });

  test.each(PROGRAMS)('%s accepts its environment', async (name) => {
    const { HEALTH_URL: _, ...environment } = serviceOf(name).environment;
    const program = startProcess(process.execPath, {
      args: [`${name}/main.ts`],
      // The other services are not there: it says so, and not that its environment is wrong.
      env: {
        ...environment,
        BUCKET_MAX_ATTEMPTS: '1',
        WORKERS_PATH: '/nonexistent',
        BUCKET_URL: 'http://127.0.0.1:9',
      },
    });
    const { code } = await program.exited;
    expect(code).not.toBe(0);
    expect(program.stderr()).not.toMatch(/wrong configuration/);
    expect(program.stderr()).toMatch(new RegExp(`^${name}: `, 'm'));
  });
});

/** The variables that any configuration a program imports documents. */
async function variablesOf(program: string): Promise<Set<string>> {
  const files = (await repositoryFiles()).filter(
    (file) => file.startsWith(`${program}/`) && file.endsWith('.ts'),
  );
  const sources = await Promise.all(files.map((file) => readFile(join(REPOSITORY, file), 'utf8')));
  const imported = sources.flatMap((text) =>
    Array.from(text.matchAll(/'(?:\.\.\/)+([a-z-]+\/config\.ts)'/g)),
  );
  const own = files.filter((file) => file.endsWith('/config.ts'));
  const configs = new Set([...own, ...imported.map((match) => match[1] ?? '')]);
  const texts = await Promise.all([...configs].map((file) => readFile(join(REPOSITORY, file), 'utf8')));
  return new Set(
    texts.flatMap((text) =>
      Array.from(text.matchAll(/^ +([A-Z][A-Z0-9_]+)\??: /gm), ([, name]) => name ?? ''),
    ),
  );
}
