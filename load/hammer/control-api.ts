import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import type { Protections } from '../../cache/protections.ts';
import {
  apiPaths,
  type BegunDeployment,
  type FlipResult,
  type Purge,
  type PurgeResult,
} from '../../contracts/control-api.ts';
import type { Manifest } from '../../contracts/manifest.ts';
import { messageOf } from '../../core/errors.ts';
import { freePort } from '../../test/support/free-port.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { startNode, type StartedProcess } from '../../test/support/process.ts';
import { projectName, type HammeredHost } from './hosts.ts';
import { stopProcess } from './stop-process.ts';

const TOKEN = 'hammer-administrator-token-0123456789';
const LAUNCHES = 10;
const RELAUNCH_MS = 500;
const DEPLOY_DOMAIN = 'example.app';

/** An answer that is not the one hoped for, as opposed to none. */
export class Refusal extends Error {}

export type HammeredControlApi = {
  host: string;
  port: number;
  /** A project; answers its own host. */
  createProject(name: string): Promise<string>;
  /** A whole deploy: begin, upload, finish. @throws when any of it fails. */
  deploy(project: string, text: string, domains: readonly string[]): Promise<FlipResult>;
  /** Makes stale what a host shows, mapping and all. @throws when it is refused. */
  purgeSoftly(host: HammeredHost): Promise<void>;
  /** Ends the process as a crash does, and starts it again with the same database. */
  crash(): Promise<void>;
  close(): Promise<void>;
};

export type ControlApiOptions = {
  bucket: string;
  stateDirectory: string;
  /** What it is told of the cache. */
  env: Readonly<Record<string, string>>;
  /** Undefined: `control-api/main.ts` as it is in production. */
  protections: Protections | undefined;
};

/** The control API in a process of its own, on a PostgreSQL of its own, and a deployer that uses its HTTP form. */
export async function startControlApi(options: ControlApiOptions): Promise<HammeredControlApi> {
  const postgres = await startPostgres();
  const [port, adminPort] = await Promise.all([freePort(), freePort()]);
  const env = {
    CONTROL_API_PORT: String(port),
    CONTROL_API_ADMIN_PORT: String(adminPort),
    CONTROL_API_TOKEN: TOKEN,
    ORIGAN_DEPLOY_DOMAIN: DEPLOY_DOMAIN,
    ORIGAN_STATE_DIR: options.stateDirectory,
    DATABASE_URL: await postgres.createDatabase(),
    BUCKET_URL: options.bucket,
    SWEEP_INTERVAL_MS: '0',
    ...options.env,
  };
  let program = await launch(env, options.protections);
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 32 });
  return {
    host: '127.0.0.1',
    port,
    createProject: async (name) => {
      const project = await send<{ ref: string }>(
        pool,
        'POST',
        apiPaths.projects(),
        JSON.stringify({ name }),
      );
      return `${project.ref}.${DEPLOY_DOMAIN}`;
    },
    deploy: (project, text, domains) => deploy(pool, project, text, domains),
    purgeSoftly: async ({ name, project }) => {
      const body: Purge = { kind: 'domain', host: name, isSoft: true };
      await send<PurgeResult>(pool, 'POST', apiPaths.purge(projectName(project)), JSON.stringify(body));
    },
    crash: async () => {
      await program.stop('SIGKILL');
      program = await launchAgain(env, options.protections);
    },
    close: async () => {
      await pool.destroy();
      await stopProcess(program);
      await postgres.close();
    },
  };
}

/** On the port that it had: again where that was taken meanwhile, which passes. */
async function launchAgain(...started: Parameters<typeof launch>): Promise<StartedProcess> {
  for (let left = LAUNCHES; ; left -= 1) {
    try {
      return await launch(...started);
    } catch (error) {
      if (left === 0 || !messageOf(error).includes('EADDRINUSE')) throw error;
      await sleep(RELAUNCH_MS);
    }
  }
}

async function launch(
  env: Readonly<Record<string, string>>,
  protections: Protections | undefined,
): Promise<StartedProcess> {
  const program =
    protections === undefined
      ? startNode('control-api/main.ts', { env })
      : startNode('load/hammer/control-api-process.ts', { env, args: [JSON.stringify(protections)] });
  await program.waitFor(/"msg":"the control API is ready"/);
  return program;
}

/** One immutable file that tells its build. */
async function deploy(
  pool: Pool,
  project: string,
  text: string,
  domains: readonly string[],
): Promise<FlipResult> {
  const hash = createHash('sha256').update(text).digest('hex');
  const manifest: Manifest = {
    version: 1,
    resources: [
      { kind: 'static', urlPath: '/build.txt', resourcePath: 'build.txt', hash, size: text.length },
    ],
  };
  const body = JSON.stringify({ manifest, domains });
  const begun = await send<BegunDeployment>(pool, 'POST', apiPaths.deployments(project), body);
  if (begun.missing.length > 0) await send(pool, 'PUT', apiPaths.object(project, hash), text);
  return send<FlipResult>(pool, 'POST', apiPaths.finish(project, begun.deployment.id), '{}');
}

async function send<Answer>(pool: Pool, method: 'POST' | 'PUT', path: string, body: string): Promise<Answer> {
  const reply = await pool.request({
    path,
    method,
    body,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
  });
  const text = await reply.body.text();
  if (reply.statusCode >= 300) throw new Refusal(`${method} ${path}: ${reply.statusCode} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as Answer;
}
