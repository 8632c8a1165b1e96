import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { listen } from './listen.ts';

const DEPLOYMENT = '0194f6d2-3c5e-7000-8000-000000000001';

export type OneSite = { url: string; calls(): number; close(): Promise<void> };

/**
 * A control API that knows one site with one file, whatever domain it is asked for: just enough of the wire form
 * for a gateway that is measured alone. The file is written where a gateway's bucket has it.
 */
export async function publishOneSite(bucket: string, path: string, body: Buffer): Promise<OneSite> {
  const resourcePath = path.slice(1);
  const file = join(bucket, 'deployments', DEPLOYMENT, resourcePath);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, body);
  const hash = createHash('sha256').update(body).digest('hex');
  const resource = { kind: 'static', urlPath: path, resourcePath, hash, size: body.length };
  const site = {
    deploymentId: DEPLOYMENT,
    projectId: 'benchmarks',
    rev: 1,
    config: { version: 1, resources: [resource] },
  };
  const answer = JSON.stringify({ result: { data: { json: site } } });
  let calls = 0;
  const server = createServer((_, response) => {
    calls += 1;
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(answer);
  });
  const { port, close } = await listen(server);
  return { url: `http://127.0.0.1:${port}`, calls: () => calls, close };
}
