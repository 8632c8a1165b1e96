import { mkdir } from 'node:fs/promises';
import { freePort } from './free-port.ts';
import { startNode, type StartedProcess } from './process.ts';
import { makeTempDir } from './temp-dir.ts';

/** One program of the system in a process of its own; it can be ended and started again on the same port. */
export type Part = {
  readonly port: number;
  readonly url: string;
  process(): StartedProcess;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Ends it as an operator would and answers its exit code. */
  stop(): Promise<number | null>;
  start(): Promise<void>;
};

export type GatewayPart = Part & { adminUrl: string };

export type System = {
  controlApi: Part;
  runner: Part;
  gateways: GatewayPart[];
  token: string;
  /** The environment that every part was given. */
  env: Record<string, string>;
  close(): Promise<void>;
};

export type SystemOptions = {
  gateways?: number;
  /** Port of the control API; by default a free one. */
  controlPort?: number;
  /** Where the shared parts are: CACHE_URL, BUCKET_*, DATABASE_URL. Embedded where missing, but for the bucket's directory. */
  env?: Readonly<Record<string, string>>;
  /** What one kind of part alone is given. */
  gatewayEnv?: Readonly<Record<string, string>>;
  runnerEnv?: Readonly<Record<string, string>>;
  controlApiEnv?: Readonly<Record<string, string>>;
};

export const ADMIN_TOKEN = 'test-token-of-the-first-administrator';

/** Starts control API, runner and gateways as separate processes, as an installation runs them. */
export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const state = await makeTempDir('system');
  await mkdir(`${state.path}/bucket`);
  const ports = await freePorts(2 + 2 * (options.gateways ?? 1));
  const [freeControlPort = 0, runnerPort = 0, ...gatewayPorts] = ports;
  const controlPort = options.controlPort ?? freeControlPort;
  const env = {
    BUCKET_URL: `${state.path}/bucket`,
    WORKERS_PATH: `${state.path}/workers`,
    ORIGAN_STATE_DIR: state.path,
    ORIGAN_DEPLOY_DOMAIN: 'sites.test',
    CONTROL_API_TOKEN: ADMIN_TOKEN,
    CONTROL_API_URL: `http://127.0.0.1:${controlPort}`,
    RUNNER_URL: `http://127.0.0.1:${runnerPort}`,
    // A busy machine is no outage: what a test expects of the cache must not hang on 100 ms.
    CACHE_TIMEOUT_MS: '5000',
    ...options.env,
  };
  const controlApi = definePart('control-api/main.ts', controlPort, {
    ...env,
    CONTROL_API_PORT: String(controlPort),
    CONTROL_API_ADMIN_PORT: '0',
    ...options.controlApiEnv,
  });
  const runner = definePart('runner/main.ts', runnerPort, {
    ...env,
    RUNNER_PORT: String(runnerPort),
    ...options.runnerEnv,
  });
  const gateways: GatewayPart[] = [];
  for (let index = 0; index + 1 < gatewayPorts.length; index += 2) {
    const [port = 0, adminPort = 0] = gatewayPorts.slice(index, index + 2);
    const own = {
      GATEWAY_PORT: String(port),
      GATEWAY_ADMIN_PORT: String(adminPort),
      GATEWAY_HOST: '127.0.0.1',
    };
    const part = definePart('gateway/main.ts', port, { ...env, ...own, ...options.gatewayEnv });
    gateways.push({ ...part, adminUrl: `http://127.0.0.1:${adminPort}` });
  }
  const parts = [controlApi, runner, ...gateways];
  const close = async (): Promise<void> => {
    await Promise.all(parts.map((part) => part.kill()));
    await state.remove();
  };
  try {
    await Promise.all(parts.map((part) => part.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return { controlApi, runner, gateways, token: ADMIN_TOKEN, env, close };
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

function definePart(file: string, port: number, env: Record<string, string>): Part {
  let started: StartedProcess | undefined;
  const current = (): StartedProcess => {
    if (started === undefined) throw new Error(`${file} was not started`);
    return started;
  };
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    process: current,
    async start() {
      started = startNode(file, { env });
      await started.waitFor(/"msg":"(?:gateway listens|the control API is ready|the runner takes calls)"/);
    },
    async kill() {
      await started?.stop('SIGKILL');
    },
    async stop() {
      const { code } = await current().stop('SIGTERM');
      return code;
    },
  };
}
