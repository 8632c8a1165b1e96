import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { freePort } from '../../test/support/free-port.ts';
import { startProcess, type StartedProcess } from '../../test/support/process.ts';
import { pinnedTo } from './pin.ts';

/** Host of the one site that the gateway shows. */
export const FUNCTION_HOST = 'bench.example';

export type Part = { port: number; close(): Promise<void> };

export type FunctionGateway = { port: number; process: StartedProcess; close(): Promise<void> };

/** A server on a port of its own. */
export async function listen(server: Server): Promise<Part> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/**
 * The whole gateway in front of one function that takes every path.
 *
 * @param core the one core that it runs on; undefined: wherever the system likes.
 * @param env added to the gateway's own environment.
 */
export async function startFunctionGateway(options: {
  bucket: string;
  runnerPort: number;
  core?: number;
  env?: Readonly<Record<string, string>>;
}): Promise<FunctionGateway> {
  const controlApi = await startControlApi();
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

async function startControlApi(): Promise<Part> {
  const config = { version: 1, resources: [{ kind: 'dynamic', urlPath: '/*', resourcePath: 'all.js' }] };
  const site = { deploymentId: 'deployment-1', projectId: 'benchmarks', rev: 1, config };
  const answer = JSON.stringify({ result: { data: { json: site } } });
  return listen(
    createServer((_, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer);
    }),
  );
}
