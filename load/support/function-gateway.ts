import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { freePort } from '../../test/support/free-port.ts';
import { startProcess, type StartedProcess } from '../../test/support/process.ts';
import { listen, type Listening } from './listen.ts';
import { pinnedTo } from './pin.ts';

/** Host of the one site that the gateway shows. */
export const FUNCTION_HOST = 'bench.example';
const DEPLOYMENT = '0194f6d2-3c5e-7000-8000-000000000001';

export type FunctionGateway = { port: number; process: StartedProcess; close(): Promise<void> };

/**
 * The whole gateway in front of one function that takes every path.
 *
 * @param files static files beside it: path of the URL -> content.
 * @param core the one core that it runs on; undefined: wherever the system likes.
 * @param env added to the gateway's own environment.
 */
export async function startFunctionGateway(options: {
  bucket: string;
  runnerPort: number;
  core?: number;
  files?: Readonly<Record<string, Buffer>>;
  env?: Readonly<Record<string, string>>;
}): Promise<FunctionGateway> {
  const files = Object.entries(options.files ?? {});
  for (const [path, content] of files) await writeObject(options.bucket, path, content);
  const controlApi = await startControlApi(files.map(toResource));
  const port = await freePort();
  const { command, args } =
    options.core === undefined
      ? { command: process.execPath, args: ['gateway/main.ts'] }
      : pinnedTo(options.core, process.execPath, ['gateway/main.ts']);
  const env = {
    BUCKET_URL: options.bucket,
    CONTROL_API_URL: `http://127.0.0.1:${controlApi.port}`,
    RUNNER_URL: `http://127.0.0.1:${options.runnerPort}`,
    GATEWAY_HOST: '127.0.0.1',
    GATEWAY_PORT: String(port),
    GATEWAY_ADMIN_PORT: '0',
    DRAIN_TIMEOUT_MS: '0',
    ...options.env,
  };
  const gateway = startProcess(command, { args, env });
  await gateway.waitFor(/gateway listens/);
  const close = async (): Promise<void> => {
    await gateway.stop();
    await controlApi.close();
  };
  return { port, process: gateway, close };
}

async function writeObject(bucket: string, path: string, content: Buffer): Promise<void> {
  const file = join(bucket, 'deployments', DEPLOYMENT, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

function toResource([urlPath, content]: [string, Buffer]): object {
  const hash = createHash('sha256').update(content).digest('hex');
  return { kind: 'static', urlPath, resourcePath: urlPath.slice(1), hash, size: content.length };
}

async function startControlApi(files: readonly object[]): Promise<Listening> {
  const resources = [...files, { kind: 'dynamic', urlPath: '/*', resourcePath: 'all.js' }];
  const config = { version: 1, resources };
  const site = { deploymentId: DEPLOYMENT, projectId: 'benchmarks', rev: 1, config };
  const answer = JSON.stringify({ result: { data: { json: site } } });
  return listen(
    createServer((_, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer);
    }),
  );
}
