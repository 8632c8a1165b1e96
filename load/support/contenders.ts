import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../test/support/free-port.ts';
import { startProcess, type StartedProcess } from '../../test/support/process.ts';
import { ask } from './ask.ts';
import { findOnPath } from './find-on-path.ts';
import { startLoggedGateway } from './logged-gateway.ts';
import { publishOneSite } from './one-site.ts';
import { pinnedTo } from './pin.ts';

/** A server that is measured, alone on its core. */
export type Contender = {
  name: string;
  pid: number;
  port: number;
  /** What it is asked for, and as whom. */
  host: string;
  path: string;
  close(): Promise<void>;
};

export type Setting = {
  directory: string;
  core: number;
  body: Buffer;
  /** Added to the gateway's own environment. */
  env: Readonly<Record<string, string>>;
};

const PATH = '/file.txt';
const HOST = 'bench.example';

/** The whole gateway as an installation runs it: default configuration, one log line for each request. */
export async function startGatewayContender({ directory, core, body, env }: Setting): Promise<Contender> {
  const bucket = join(directory, 'bucket');
  const site = await publishOneSite(bucket, PATH, body);
  const [port, adminPort] = [await freePort(), await freePort()];
  const gateway = await startLoggedGateway({
    directory,
    core,
    env: {
      BUCKET_URL: bucket,
      CONTROL_API_URL: site.url,
      RUNNER_URL: 'http://127.0.0.1:9',
      GATEWAY_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      GATEWAY_ADMIN_PORT: String(adminPort),
      ...env,
    },
    isUp: () => answers({ port, host: HOST, path: PATH }),
  });
  const close = async (): Promise<void> => {
    await gateway.close();
    await site.close();
  };
  return { name: 'gateway', pid: gateway.process.pid, port, host: HOST, path: PATH, close };
}

/** node:http with a constant answer. */
export async function startBareContender({ core, body }: Setting): Promise<Contender> {
  const bare = startPinned(core, process.execPath, ['load/programs/bare-server.ts', String(body.length)]);
  const [, port = ''] = await bare.waitFor(/listens on (\d+)/);
  const close = async (): Promise<void> => void (await bare.stop());
  return { name: 'node:http', pid: bare.pid, port: Number(port), host: HOST, path: PATH, close };
}

/** nginx with one worker, the same file, no access log; undefined where it is not installed. */
export async function startNginxContender(setting: Setting): Promise<Contender | undefined> {
  const nginx = findOnPath('nginx');
  if (nginx === undefined) return undefined;
  const { core, body } = setting;
  const directory = join(setting.directory, 'nginx');
  const port = await freePort();
  await mkdir(join(directory, 'www'), { recursive: true });
  await writeFile(join(directory, 'www', PATH), body);
  await writeFile(join(directory, 'nginx.conf'), nginxConfig(directory, port));
  const server = startPinned(core, nginx, [
    '-p',
    directory,
    '-e',
    'stderr',
    '-c',
    join(directory, 'nginx.conf'),
  ]);
  await server.waitFor(/start worker process/);
  const close = async (): Promise<void> => void (await server.stop());
  return { name: 'nginx', pid: server.pid, port, host: HOST, path: PATH, close };
}

function nginxConfig(directory: string, port: number): string {
  return `
    daemon off;
    user root;
    worker_processes 1;
    pid ${directory}/nginx.pid;
    error_log stderr notice;
    events { worker_connections 1024; }
    http {
      access_log off;
      keepalive_requests 10000000;
      sendfile on;
      open_file_cache max=10;
      types { text/plain txt; }
      server { listen 127.0.0.1:${port}; root ${directory}/www; }
    }`;
}

function startPinned(core: number, command: string, args: string[]): StartedProcess {
  const pinned = pinnedTo(core, command, args);
  return startProcess(pinned.command, { args: pinned.args });
}

async function answers(target: Parameters<typeof ask>[0]): Promise<boolean> {
  const reply = await ask(target).catch(() => undefined);
  return reply?.status === 200;
}
