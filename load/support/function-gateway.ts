import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { freePort } from '../../test/support/free-port.ts';
import type { StartedProcess } from '../../test/support/process.ts';
import { ask } from './ask.ts';
import { listen, type Listening } from './listen.ts';
import { startLoggedGateway } from './logged-gateway.ts';

/** Host of the one site that the gateway shows. */
export const FUNCTION_HOST = 'bench.example';
const DEPLOYMENT = '0194f6d2-3c5e-7000-8000-000000000001';

export type FunctionGateway = { port: number; process: StartedProcess; close(): Promise<void> };

/**
 * The whole gateway in front of one function that takes every path.
 *
 * @param directory where its bucket and its log are.
 * @param files static files beside it: path of the URL -> content.
 * @param core the one core that it runs on; undefined: wherever the system likes.
 * @param env added to the gateway's own environment.
 */
export async function startFunctionGateway(options: {
  directory: string;
  runnerPort: number;
  core?: number;
  files?: Readonly<Record<string, Buffer>>;
  env?: Readonly<Record<string, string>>;
}): Promise<FunctionGateway> {
  const files = Object.entries(options.files ?? {});
  const bucket = join(options.directory, 'bucket');
  await mkdir(bucket, { recursive: true });
  for (const [path, content] of files) await writeObject(bucket, path, content);
  const controlApi = await startControlApi(files.map(toResource));
  const [port, adminPort] = [await freePort(), await freePort()];
  const env = {
    BUCKET_URL: bucket,
    CONTROL_API_URL: `http://127.0.0.1:${controlApi.port}`,
    RUNNER_URL: `http://127.0.0.1:${options.runnerPort}`,
    GATEWAY_HOST: '127.0.0.1',
    GATEWAY_PORT: String(port),
    GATEWAY_ADMIN_PORT: String(adminPort),
    DRAIN_TIMEOUT_MS: '0',
    ...options.env,
  };
  const isUp = async (): Promise<boolean> => {
    const reply = await ask({ port: adminPort, host: '127.0.0.1', path: '/readyz' }).catch(() => undefined);
    return reply?.status === 200;
  };
  const gateway = await startLoggedGateway({ directory: options.directory, core: options.core, env, isUp });
  const close = async (): Promise<void> => {
    await gateway.close();
    await controlApi.close();
  };
  return { port, process: gateway.process, close };
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
