import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { resourceKey } from '../../contracts/object-keys.ts';
import type { StaticResource } from '../../contracts/manifest.ts';
import type { SiteRecord } from '../../contracts/site.ts';

const FILE: StaticResource = { kind: 'static', urlPath: '/build.txt', resourcePath: 'build.txt' };

export type HammeredControlApi = {
  host: string;
  port: number;
  /** Uploads a build of a host and commits it, as one database transaction would; answers its revision. */
  commit(host: number): Promise<number>;
  read(host: number): SiteRecord;
  lookups: number;
  close(): Promise<void>;
};

/**
 * The source of truth, in the wire form of `deployments.getConfigByDomain`. It reads a host's revision when asked and
 * answers up to `slowMs` later, now and then much later: an answer under way may be overtaken by a flip, which is what
 * coherence has to withstand. Every revision is a deployment with one immutable file that tells its build.
 */
export async function startControlApi(bucket: string, slowMs: number): Promise<HammeredControlApi> {
  const revisions = new Map<number, number>();
  const read = (host: number): SiteRecord => siteOf(host, revisions.get(host) ?? 0);
  const server = createServer((request, response) => {
    api.lookups += 1;
    const host = /host-(\d+)\.example/.exec(domainOf(request.url ?? ''))?.[1];
    const site = host === undefined || !revisions.has(Number(host)) ? undefined : read(Number(host));
    const body = site === undefined ? UNKNOWN : { result: { data: { json: site } } };
    const delayMs = Math.random() < 0.05 ? Math.random() * slowMs * 6 : Math.random() * slowMs;
    void sleep(delayMs).then(() => {
      response.writeHead(site === undefined ? 404 : 200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(body));
      return undefined;
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const api: HammeredControlApi = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    commit: async (host) => {
      const rev = (revisions.get(host) ?? 0) + 1;
      await upload(bucket, siteOf(host, rev), String(rev));
      revisions.set(host, rev);
      return rev;
    },
    read,
    lookups: 0,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  return api;
}

const UNKNOWN = {
  error: { json: { message: 'no such domain', code: -32_004, data: { code: 'NOT_FOUND', httpStatus: 404 } } },
};

function siteOf(host: number, rev: number): SiteRecord {
  return { deploymentId: `h${host}-r${rev}`, projectId: 'p', rev, config: { version: 1, resources: [FILE] } };
}

async function upload(bucket: string, site: SiteRecord, text: string): Promise<void> {
  const path = join(bucket, resourceKey(site, FILE) ?? '');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

function domainOf(url: string): string {
  const input = new URL(url, 'http://localhost').searchParams.get('input') ?? '{}';
  const { json } = JSON.parse(input) as { json?: { domain?: string } };
  return json?.domain ?? '';
}
