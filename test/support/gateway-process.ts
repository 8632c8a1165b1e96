import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FunctionResource, StaticResource } from '../../contracts/manifest.ts';
import type { SiteRecord } from '../../contracts/site.ts';
import { freePort } from './free-port.ts';
import { startNode, type StartedProcess } from './process.ts';
import { makeTempDir } from './temp-dir.ts';

/** The host that the gateway's control API knows; any other is unknown. */
export const HOST = 'site.test';
const DEPLOYMENT_ID = 'a1b2c3d4-0000-4000-8000-000000000002';
const PROJECT_ID = 'project-2';

export type GatewayProcess = {
  port: number;
  adminUrl: string;
  process: StartedProcess;
  /** Highest resident memory since the last reset, bytes. */
  peakMemory(): Promise<number>;
  resetPeakMemory(): Promise<void>;
  /** The access lines so far. */
  records(): Record<string, unknown>[];
  close(): Promise<void>;
};

export type GatewayProcessOptions = {
  runnerUrl: string;
  /** Directory that stands in for the bucket; one of its own by default. */
  bucket?: string;
  /** Static files: path of the URL -> content. */
  files?: Readonly<Record<string, string | Buffer>>;
  /** Functions: path of the URL -> code; `/*` without code by default, for a runner that is played. */
  functions?: Readonly<Record<string, string>>;
  /** A whole site in place of `files` and `functions`, and the objects that it consists of, by key. */
  site?: { record: SiteRecord; objects: Readonly<Record<string, Buffer>> };
  env?: Readonly<Record<string, string>>;
  /** Leads a process group of its own, its serving processes among it. Default false. */
  isDetached?: boolean;
};

/**
 * A gateway in a process of its own, with one site that a control API in this process answers for in Origan's wire form
 * (without `rev`, as the present ones do), no cache server, and a directory as its bucket.
 */
export async function startGatewayProcess(options: GatewayProcessOptions): Promise<GatewayProcess> {
  const temp = await makeTempDir('gateway');
  const bucket = options.bucket ?? join(temp.path, 'bucket');
  const controlApi = await answerFor(await publish(bucket, options));
  const [port, adminPort] = await Promise.all([freePort(), freePort()]);
  const gateway = startNode('gateway/main.ts', {
    env: {
      GATEWAY_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      GATEWAY_ADMIN_PORT: String(adminPort),
      CONTROL_API_URL: `http://127.0.0.1:${(controlApi.address() as AddressInfo).port}`,
      RUNNER_URL: options.runnerUrl,
      BUCKET_URL: bucket,
      ...options.env,
    },
    isDetached: options.isDetached ?? false,
  });
  await gateway.waitFor(/"msg":"gateway listens"/);
  return {
    port,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    process: gateway,
    peakMemory: () => readPeak(gateway.pid),
    resetPeakMemory: () => writeFile(`/proc/${gateway.pid}/clear_refs`, '5'),
    records: () => readRecords(gateway.stderr()),
    close: async () => {
      await gateway.stop('SIGKILL');
      controlApi.close();
      controlApi.closeAllConnections();
      await temp.remove();
    },
  };
}

async function publish(bucket: string, options: GatewayProcessOptions): Promise<object> {
  if (options.site !== undefined) return publishSite(bucket, options.site);
  const { files = {}, functions = { '/*': '' } } = options;
  const root = join(bucket, 'deployments', DEPLOYMENT_ID);
  const write = async (path: string, content: string | Buffer): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  };
  const resources: (StaticResource | FunctionResource)[] = [];
  for (const [urlPath, content] of Object.entries(files)) {
    resources.push({ kind: 'static', urlPath, resourcePath: urlPath.slice(1) });
    await write(urlPath.slice(1), content);
  }
  for (const [index, [urlPath, code]] of Object.entries(functions).entries()) {
    resources.push({ kind: 'dynamic', urlPath, resourcePath: `functions/${index}.js` });
    await write(`functions/${index}.js`, code);
  }
  const metadata = {
    deploymentId: DEPLOYMENT_ID,
    projectId: PROJECT_ID,
    environmentRevisionId: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    environmentVariables: { GREETING: 'hello' },
  };
  await write('metadata.json', JSON.stringify(metadata));
  return { config: { version: 1, resources }, deploymentId: DEPLOYMENT_ID, projectId: PROJECT_ID };
}

async function publishSite(
  bucket: string,
  { record, objects }: NonNullable<GatewayProcessOptions['site']>,
): Promise<SiteRecord> {
  for (const [key, bytes] of Object.entries(objects)) {
    await mkdir(dirname(join(bucket, key)), { recursive: true });
    await writeFile(join(bucket, key), bytes);
  }
  return record;
}

async function answerFor(site: object): Promise<Server> {
  const unknown = {
    message: 'Domain not found',
    code: -32_004,
    data: { code: 'NOT_FOUND', httpStatus: 404 },
  };
  const server = createServer((request, response) => {
    const input = new URL(request.url ?? '', 'http://control').searchParams.get('input') ?? '{}';
    const { json } = JSON.parse(input) as { json?: { domain?: string } };
    const isKnown = json?.domain === HOST;
    const body = isKnown ? { result: { data: { json: site } } } : { error: { json: unknown } };
    response.writeHead(isKnown ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return server;
}

async function readPeak(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

function readRecords(stderr: string): Record<string, unknown>[] {
  // What follows the last line break is a line that is still coming.
  const lines = stderr.split('\n').slice(0, -1);
  return lines
    .filter((line) => line.includes('"msg":"request"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
