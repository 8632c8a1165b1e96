import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cache } from '../../cache/cache.ts';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { openCache } from '../../cache/open-cache.ts';
import type { CacheServer } from './cache-server.ts';
import { readControlApiConfig } from '../../control-api/config.ts';
import { prepareDatabase } from './embedded-database.ts';
import { allOperations } from '../../control-api/operations/all-operations.ts';
import { startControlApi, type ControlApi } from '../../control-api/start-control-api.ts';
import { apiPaths, type BegunDeployment, type FlipResult } from '../../contracts/control-api.ts';
import type { Manifest, Resource } from '../../contracts/manifest.ts';
import type { Clock } from '../../core/clock.ts';
import type { Environment } from '../../core/env.ts';
import { silentLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { openStore } from '../../store/open-store.ts';
import { disabledCache } from './disabled-cache.ts';

export const TEST_TOKEN = 'test-administrator-token-0123456789';

export type TestControlApi = ControlApi & {
  store: ObjectStore;
  /** Sends JSON with the administrator's token, or another one. */
  send(method: string, path: string, body?: unknown, token?: string): Promise<Reply>;
};

// Tests say what they expect of an answer; its shape is checked by the contract's schemas elsewhere.
// oxlint-disable-next-line typescript/no-explicit-any
export type Reply = { status: number; headers: Headers; body: any };

export type TestOptions = {
  /** State directory; the bucket is a directory below it. */
  directory: string;
  env?: Environment;
  cache?: Cache | undefined;
  store?: ObjectStore;
  clock?: Clock;
};

/** The real control API on a free port, with a directory as its bucket and no cache unless one is given. */
export async function startTestControlApi(options: TestOptions): Promise<TestControlApi> {
  const { directory, env = {}, cache = disabledCache } = options;
  const log = silentLogger();
  const config = readControlApiConfig({
    CONTROL_API_PORT: '0',
    CONTROL_API_ADMIN_PORT: '0',
    ORIGAN_DEPLOY_DOMAIN: 'example.app',
    ORIGAN_STATE_DIR: directory,
    CONTROL_API_TOKEN: TEST_TOKEN,
    SWEEP_INTERVAL_MS: '0',
    ...env,
  });
  await mkdir(join(directory, 'bucket'), { recursive: true });
  if (env['DATABASE_URL'] === undefined) await prepareDatabase(join(directory, 'database'));
  const store = options.store ?? openStore({ kind: 'directory', root: join(directory, 'bucket') }, { log });
  const api = await startControlApi(config, {
    log,
    registry: createRegistry(),
    cache,
    store,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  return { ...api, store, ...talkTo(api.url) };
}

/** Requests to a control API that runs somewhere; every answer is checked against what its operation declares. */
export function talkTo(url: string): Pick<TestControlApi, 'url' | 'send'> {
  return {
    url,
    send: async (...request) => {
      const reply = await send(url, request);
      if (reply.status < 300) checkAnswer(request[0], request[1], reply.body);
      return reply;
    },
  };
}

const patterns = allOperations.flatMap((operation) =>
  operation.path === undefined
    ? []
    : [{ operation, pattern: new RegExp(`^/v1${operation.path.replaceAll(/:\w+/g, '[^/]+')}$`) }],
);

/** Every answer has the shape that its operation declares, with nothing besides. */
function checkAnswer(method: string, path: string, body: unknown): void {
  const bare = path.replace(/\?.*$/, '');
  const found = patterns.find(({ operation, pattern }) => operation.method === method && pattern.test(bare));
  if (found === undefined) return;
  const parsed = found.operation.answer.parse(body);
  if (JSON.stringify(sorted(parsed)) === JSON.stringify(sorted(body))) return;
  throw new Error(`${found.operation.name} answers fields that it does not declare: ${JSON.stringify(body)}`);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([left], [right]) => left.localeCompare(right))
      .map(([name, item]) => [name, sorted(item)]),
  );
}

const TIMEOUT_MS = 3000;

/** A client of a cache server for one control API or gateway; `holdsLease` makes it a gateway's. */
export async function connectCache(
  server: Pick<CacheServer, 'url'>,
  options: { holdsLease?: boolean; instance?: string } = {},
): Promise<Cache> {
  const target = parseCacheUrl(server.url);
  if (target === undefined) throw new Error('the cache server has no usable URL');
  const parts = { log: silentLogger(), registry: createRegistry(), ...options };
  // A service would rather go on without an answer; a test wants it, however busy the machine is.
  const cache = openCache(defaultCacheConfig({ target, timeoutMs: TIMEOUT_MS }), parts);
  await cache.connect();
  return cache;
}

export type File = { path: string; content: string | Buffer; kind?: 'static' | 'dynamic' };

/** The manifest of some files, as the CLI makes it. */
export function manifestOf(files: readonly File[]): Manifest {
  const resources = files.map(({ path, content, kind = 'static' }): Resource => {
    const bytes = Buffer.from(content);
    return { kind, urlPath: path, resourcePath: path.slice(1), hash: sha256(bytes), size: bytes.length };
  });
  return { version: 1, resources };
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Begins a deployment and uploads what is missing. */
export async function upload(
  api: Pick<TestControlApi, 'url' | 'send'>,
  project: string,
  files: readonly File[],
  more: Record<string, unknown> = {},
): Promise<BegunDeployment> {
  const begun = await api.send('POST', apiPaths.deployments(project), {
    manifest: manifestOf(files),
    ...more,
  });
  if (begun.status !== 201) throw new Error(`begin: ${begun.status} ${JSON.stringify(begun.body)}`);
  const answer: BegunDeployment = begun.body;
  for (const hash of answer.missing) {
    const file = files.find(({ content }) => sha256(content) === hash);
    const reply = await putObject(api, project, hash, Buffer.from(file?.content ?? ''));
    // 200: somebody else uploaded the same content meanwhile.
    if (reply.status !== 201 && reply.status !== 200)
      throw new Error(`upload: ${reply.status} ${JSON.stringify(reply.body)}`);
  }
  return answer;
}

/** A whole deploy. */
export async function deploy(
  api: Pick<TestControlApi, 'url' | 'send'>,
  project: string,
  files: readonly File[],
  more: Record<string, unknown> = {},
): Promise<FlipResult> {
  const begun = await upload(api, project, files, more);
  const finished = await api.send('POST', apiPaths.finish(project, begun.deployment.id), {});
  if (finished.status !== 200) throw new Error(`finish: ${finished.status} ${JSON.stringify(finished.body)}`);
  return finished.body;
}

export async function putObject(
  api: Pick<TestControlApi, 'url'>,
  project: string,
  hash: string,
  bytes: Buffer,
): Promise<Reply> {
  const response = await fetch(`${api.url}${apiPaths.object(project, hash)}`, {
    method: 'PUT',
    body: new Uint8Array(bytes),
    headers: { authorization: `Bearer ${TEST_TOKEN}`, 'content-length': String(bytes.length) },
  });
  return await toReply(response);
}

/** What the gateway asks. */
export async function askConfig(api: Pick<TestControlApi, 'url'>, domain: string): Promise<Reply> {
  const input = encodeURIComponent(JSON.stringify({ json: { domain } }));
  return await toReply(await fetch(`${api.url}/trpc/deployments.getConfigByDomain?input=${input}`));
}

async function send(
  url: string,
  [method, path, body, token = TEST_TOKEN]: [
    method: string,
    path: string,
    body?: unknown,
    token?: string | undefined,
  ],
): Promise<Reply> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return await toReply(response);
}

async function toReply(response: Response): Promise<Reply> {
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}
