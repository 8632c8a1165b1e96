import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createControlApiClient, type ControlApiClient } from '../../cli/control-api-client.ts';
import { deploySite, type DeploySummary } from '../../cli/deploy.ts';
import { startCacheServer, type CacheServer } from '../support/cache-server.ts';
import { siteFolder } from '../support/site-folder.ts';
import { startSystem, type System } from '../support/system.ts';
import { visit } from '../support/visit.ts';
import { waitUntil } from '../support/wait-until.ts';

// A site of two thousand files is deployed, and again with twenty of them changed, while somebody reads it at three
// gateways. Nobody may see an error, a build that has been replaced, or two builds at once.

const FILES = 2000;
const CHANGED = 20;
const HOST = 'big.test';

let cacheServer: CacheServer;
let system: System;
let client: ControlApiClient;

beforeAll(async () => {
  cacheServer = await startCacheServer();
  system = await startSystem({ gateways: 3, env: { CACHE_URL: cacheServer.url } });
  client = createControlApiClient({ apiUrl: system.controlApi.url, token: system.token });
});

afterAll(async () => {
  await client.close();
  await system.close();
  await cacheServer.close();
});

const page = (build: number, index: number): string => `<p>build ${build}, page ${index}</p>`;

/** The first pages say which build they are of; the others never change. */
async function writeBuild(root: string, build: number): Promise<void> {
  for (let index = 0; index < CHANGED; index += 1) {
    await writeFile(join(root, `${index}.html`), page(build, index));
  }
}

async function makeSite(): Promise<string> {
  const rest = Array.from({ length: FILES - CHANGED }, (_, index) => {
    const path = `section-${index % 40}/${index + CHANGED}.html`;
    return [path, page(0, index + CHANGED)];
  });
  const root = await siteFolder(Object.fromEntries(rest) as Record<string, string>);
  await writeBuild(root, 1);
  return root;
}

const deploy = (directory: string): Promise<DeploySummary> =>
  deploySite({ directory, project: 'big', domains: [HOST], createProject: true }, client, () => undefined);

type Reader = { seen: number[]; problems: string[]; stop: () => Promise<void> };

/** Reads two pages of one gateway in turn, each time noting the build that they are of. */
function startReader(port: number): Reader {
  const seen: number[] = [];
  const problems: string[] = [];
  const stopping = new AbortController();
  const read = async (index: number): Promise<void> => {
    const answer = await visit(port, HOST, `/${index}`).catch((error: unknown) => String(error));
    if (typeof answer === 'string' || answer.status !== 200) {
      problems.push(typeof answer === 'string' ? answer : `${answer.status} ${answer.text}`);
      return;
    }
    const build = Number(/build (\d+)/.exec(answer.text)?.[1]);
    if (build < (seen.at(-1) ?? 0)) problems.push(`build ${build} after build ${seen.at(-1)}`);
    seen.push(build);
  };
  const loop = (async () => {
    for (let index = 0; !stopping.signal.aborted; index = (index + 1) % CHANGED) await read(index);
  })();
  return {
    seen,
    problems,
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}

test(
  'only what changed is uploaded, and readers go from one build to the next in one step',
  { timeout: 600_000, retry: 0 },
  async () => {
    const root = await makeSite();
    const first = await deploy(root);
    expect(first).toMatchObject({ files: FILES, uploaded: { objects: FILES }, unchanged: 0 });
    expect(first.result).toMatchObject({ outcome: 'live', isComplete: true, expired: [] });
    expect(first.result.acknowledged).toHaveLength(3);

    const readers = system.gateways.map(({ port }) => startReader(port));
    // Each reader sees something of every build, however long it has to wait for its turn.
    const allHaveSeen = (build: number): Promise<void> =>
      waitUntil(() => readers.every(({ seen, problems }) => problems.length > 0 || seen.at(-1) === build));
    await allHaveSeen(1);
    for (const build of [2, 3, 4]) {
      await writeBuild(root, build);
      const next = await deploy(root);
      expect(next).toMatchObject({ uploaded: { objects: CHANGED }, unchanged: FILES - CHANGED });
      expect(next.result).toMatchObject({ outcome: 'live', isComplete: true });
      // Acknowledged: from here on no gateway shows anything older, which a fresh request to each must confirm.
      for (const { port } of system.gateways) {
        expect((await visit(port, HOST, '/0')).text).toBe(page(build, 0));
      }
      await allHaveSeen(build);
    }
    await Promise.all(readers.map((reader) => reader.stop()));
    for (const { problems, seen } of readers) {
      expect(problems).toEqual([]);
      expect([...new Set(seen)]).toEqual([1, 2, 3, 4]);
    }
  },
);
