import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { REPOSITORY, startProcess } from '../support/process.ts';
import { readCompose, type Service } from '../support/read-compose.ts';
import { repositoryFiles } from '../support/source-files.ts';

const PROGRAMS = ['gateway', 'runner', 'control-api'] as const;

const compose = await readCompose('docker-compose.yml');
const development = await readCompose('docker-compose.dev.yml');
const dockerfile = await readFile(join(REPOSITORY, 'Dockerfile'), 'utf8');

const serviceOf = (name: string): Service => {
  const service = compose.services[name];
  if (service === undefined) throw new Error(`no service ${name}`);
  return service;
};

describe('images', () => {
  const images = [
    ...Object.values(compose.services).map(({ image }) => image),
    ...Object.values(development.services).map(({ image }) => image),
    ...Array.from(dockerfile.matchAll(/^FROM (\S+)/gm), (match) => match[1] ?? ''),
  ];

  test.each(images)('%s is pinned to a version and names no registry', (image) => {
    const match = /^(?<path>[a-z0-9/-]+):(?<tag>\S+)$/.exec(image);
    expect(match?.groups?.['tag']).toMatch(/^v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?$/);
    // A first segment with a dot would be the host of a registry.
    expect(match?.groups?.['path']?.split('/')[0]).not.toMatch(/[.:]/);
  });

  test('no file of the repository names a registry', async () => {
    const hosts = /\b(?:(?:docker|ghcr|quay|gcr)\.io|docker\.dragonflydb|registry\.npmjs|public\.ecr)\b/;
    const naming: string[] = [];
    for (const file of await repositoryFiles()) {
      if (file === 'test/repository/images.test.ts' || /\.(png|jpg|webp|ico|woff2?|avif)$/.test(file))
        continue;
      if (hosts.test(await readFile(join(REPOSITORY, file), 'utf8'))) naming.push(file);
    }
    expect(naming).toEqual([]);
  });
});

describe('the Dockerfile', () => {
  const lines = dockerfile.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const finalStage = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM')));

  test('runs as a user without privileges, who owns nothing but the state directory', () => {
    const user = finalStage.findIndex((line) => line.startsWith('USER '));
    expect(finalStage[user]).toBe('USER node');
    expect(finalStage.slice(user).some((line) => /^(RUN|COPY|ADD) /.test(line))).toBe(false);
    expect(dockerfile.match(/chown.*/g)).toEqual(['chown -R node:node /var/lib/origan']);
  });

  test('installs what runs, and from the lock file', () => {
    expect(dockerfile).toContain('npm ci --omit=dev');
    expect(dockerfile).not.toMatch(/npm (i|install)\b/);
  });

  test('gets signals itself: no shell in between', () => {
    const command = finalStage.find((line) => line.startsWith('CMD '));
    expect(JSON.parse(command?.slice('CMD '.length) ?? '')).toEqual(['node', 'gateway/main.ts']);
    expect(dockerfile).toContain('STOPSIGNAL SIGTERM');
  });

  test('has the Node that the package pins', async () => {
    const locked = z
      .object({ packages: z.record(z.string(), z.object({ version: z.string().optional() })) })
      .parse(JSON.parse(await readFile(join(REPOSITORY, 'package-lock.json'), 'utf8')));
    const version = locked.packages['node_modules/node']?.version;
    for (const [, image] of dockerfile.matchAll(/^FROM (\S+)/gm)) expect(image).toContain(`node:${version}-`);
  });

  test('is given nothing that it does not need, secrets least of all', async () => {
    const ignored = (await readFile(join(REPOSITORY, '.dockerignore'), 'utf8')).split('\n');
    expect(ignored).toEqual(
      expect.arrayContaining(['.env', '.env.*', '.git', '.origan', 'node_modules', 'test']),
    );
    // What the programs are made of must not be ignored.
    for (const folder of await readdir(REPOSITORY)) {
      if (['core', 'contracts', 'store', 'cache', 'cli', ...PROGRAMS].includes(folder)) {
        expect(ignored).not.toContain(folder);
      }
    }
  });

  test('its health check says what the service says', async () => {
    const { createServer } = await import('node:http');
    let status = 200;
    const server = createServer((_, response) => response.writeHead(status).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const check = async (url: string): Promise<number | null> => {
      const run = startProcess(process.execPath, {
        args: ['docker/check-health.mjs'],
        env: { HEALTH_URL: url },
      });
      return (await run.exited).code;
    };
    expect(await check(`http://127.0.0.1:${port}/`)).toBe(0);
    status = 503;
    expect(await check(`http://127.0.0.1:${port}/`)).toBe(1);
    await new Promise((resolve) => server.close(resolve));
    expect(await check(`http://127.0.0.1:${port}/`)).toBe(1);
    expect(await check('')).toBe(0);
  });
});

describe('docker-compose.yml', () => {
  test.each(Object.keys(compose.services))(
    '%s restarts, is bounded and says whether it is healthy',
    (name) => {
      const service = serviceOf(name);
      expect(service.restart).toBe('unless-stopped');
      expect(service.deploy?.resources.limits.memory).toMatch(/^\d+G$/);
      // Our own services have the image's check, which needs the place to ask.
      expect(service.healthcheck !== undefined || service.environment['HEALTH_URL'] !== undefined).toBe(true);
    },
  );

  test.each(PROGRAMS)('%s has no privileges and time to drain', (name) => {
    expect(serviceOf(name)).toMatchObject({
      command: ['node', `${name}/main.ts`],
      init: true,
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      stop_grace_period: '40s',
    });
  });

  test('cache, database and bucket cannot be reached from outside, and cannot call out', () => {
    expect(compose.networks?.['private']).toEqual({ internal: true });
    for (const name of ['cache', 'database', 'bucket']) {
      expect(serviceOf(name).networks).toEqual(['private']);
      expect(serviceOf(name).ports).toEqual([]);
    }
    expect(serviceOf('runner').ports).toEqual([]);
    expect(serviceOf('control-api').ports).toEqual(['127.0.0.1:7780:7780']);
  });

  test('every secret comes from the environment, and .env.example names it', async () => {
    const example = await readFile(join(REPOSITORY, '.env.example'), 'utf8');
    const named = new Set(Array.from(example.matchAll(/^([A-Z_]+)=/gm), (match) => match[1]));
    expect(new Set(compose.variables)).toEqual(named);
    for (const service of Object.values(compose.raw.services)) {
      for (const [name, value] of Object.entries(service.environment)) {
        if (/SECRET|PASSWORD|TOKEN|_KEY$/.test(name)) expect(value).toMatch(/^\$\{[A-Z_]+:\?\}$/);
      }
    }
    expect(example).not.toMatch(/^(?!ORIGAN_DEPLOY_DOMAIN)[A-Z_]+=\S/m);
  });

  test('programs share what they must share, and nothing holds a secret that it does not need', () => {
    const [gateway, runner, api] = PROGRAMS.map((name) => serviceOf(name).environment);
    expect(gateway?.['RUNNER_SHARED_SECRET']).toBe(runner?.['RUNNER_SHARED_SECRET']);
    expect(runner?.['ENVIRONMENT_KEY']).toBe(api?.['ENVIRONMENT_KEY']);
    expect(Object.values(gateway ?? {})).not.toContain(api?.['ENVIRONMENT_KEY']);
    expect(serviceOf('bucket').environment['GARAGE_DEFAULT_BUCKET']).toBe(gateway?.['BUCKET_NAME']);
    const passwords = [gateway, runner, api].map((environment) => environment?.['CACHE_PASSWORD']);
    expect(new Set(passwords).size).toBe(3);
  });
});

describe.each([
  ['docker-compose.yml', compose],
  ['docker-compose.dev.yml', development],
])('Dragonfly in %s', (_, { services }) => {
  const cache = services['cache'] as Service;
  const flags = new Map(
    cache.command.map((flag) => {
      const [name = '', ...value] = flag.replace(/^--/, '').split('=');
      return [name, value.join('=')];
    }),
  );

  test('is given flags that it knows, as arguments of its entrypoint', () => {
    expect(cache.command.every((flag) => flag.startsWith('--'))).toBe(true);
    const known = [
      'logtostderr',
      'bind',
      'aclfile',
      'cache_mode',
      'maxmemory',
      'proactor_threads',
      'dir',
      'dbfilename',
      'snapshot_cron',
    ];
    expect([...flags.keys()].filter((name) => !known.includes(name))).toEqual([]);
    // Any DFLY_* variable that is no flag ends the server at its start, so it gets none at all.
    expect(cache.environment).toEqual({});
  });

  test('evicts near its limit, and its limit fits its threads and its container', () => {
    expect(flags.get('cache_mode')).toBe('true');
    const maxMemoryMib = Number(/^(\d+)mb$/.exec(flags.get('maxmemory') ?? '')?.[1]);
    const limitMib = Number(/^(\d+)G$/.exec(cache.deploy?.resources.limits.memory ?? '')?.[1]) * 1024;
    expect(maxMemoryMib).toBeGreaterThanOrEqual(256 * Number(flags.get('proactor_threads')));
    expect(maxMemoryMib).toBeLessThanOrEqual(0.75 * limitMib);
  });

  test('is asked for its health over HTTP 1.1, which knows of loading', () => {
    expect(cache.healthcheck?.test.join(' ')).toMatch(/GET \/healthz HTTP\/1\.1/);
  });

  test('is not open to the network', () => {
    const isPrivate = cache.ports.every((port) => port.startsWith('127.0.0.1:'));
    expect(isPrivate).toBe(true);
    expect(flags.has('aclfile') || flags.get('bind') === undefined).toBe(true);
    // A file name with a suffix is refused with the default format of snapshots.
    expect(flags.get('dbfilename')).toMatch(/^[a-z]*$/);
  });
});
