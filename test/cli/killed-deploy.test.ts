import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiPaths, type Deployment } from '../../contracts/control-api.ts';
import { createControlApiClient } from '../../cli/control-api-client.ts';
import { deploySite, type DeploySummary } from '../../cli/deploy.ts';
import { startTestControlApi, TEST_TOKEN, type TestControlApi } from '../support/control-api.ts';
import { startNode } from '../support/process.ts';
import { siteFolder } from '../support/site-folder.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let api: TestControlApi;
let state: TempDir;

beforeAll(async () => {
  state = await makeTempDir('killed');
  api = await startTestControlApi({ directory: state.path });
});

afterAll(async () => {
  await api.close();
  await state.remove();
});

const FILES = 40;

const makeSite = (build: string): Promise<string> =>
  siteFolder(
    Object.fromEntries(Array.from({ length: FILES }, (_, index) => [`${index}.html`, `${build} ${index}`])),
  );

async function deploy(directory: string, project: string): Promise<DeploySummary> {
  const client = createControlApiClient({ apiUrl: api.url, token: TEST_TOKEN });
  try {
    return await deploySite({ directory, project }, client, () => undefined);
  } finally {
    await client.close();
  }
}

async function live(project: string): Promise<Deployment[]> {
  const { body } = await api.send('GET', apiPaths.deployments(project));
  return (body as { deployments: Deployment[] }).deployments.filter(({ isLive }) => isLive);
}

test.each([
  ['building', FILES],
  ['built', FILES],
  ['begun', FILES],
  ['uploading', FILES - 10],
  ['finishing', 0],
])(
  'killed while %s: what was shown stays, the next deploy works and uploads only what is missing',
  async (event, missing) => {
    const project = `killed-${event}`;
    await api.send('POST', apiPaths.projects(), { name: project });
    const shown = await deploy(await makeSite('old'), project);

    const root = await makeSite('new');
    const args = [api.url, TEST_TOKEN, root, project, event];
    const killed = startNode('test/cli/programs/deploy-until.ts', { args });
    expect((await killed.exited).signal).toBe('SIGKILL');
    // Until somebody finishes a deployment, nothing of it is shown.
    expect((await live(project)).map(({ id }) => id)).toEqual([shown.result.deployment.id]);

    const next = await deploy(root, project);
    expect(next.result.outcome).toBe('live');
    // Uploads that were under way at the end may have arrived.
    expect(next.uploaded.objects).toBeLessThanOrEqual(missing);
    expect((await live(project)).map(({ id }) => id)).toEqual([next.result.deployment.id]);
  },
);
