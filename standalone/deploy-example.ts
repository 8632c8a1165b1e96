import { fileURLToPath } from 'node:url';
import { createControlApiClient } from '../cli/control-api-client.ts';
import { deploySite, type DeploySummary } from '../cli/deploy.ts';

const EXAMPLE = fileURLToPath(new URL('../examples/', import.meta.url));
const PROJECT = 'ember-and-lark';
/** What its /api/about answers with. */
const VARIABLES = { ROASTERY_GREETING: 'Good morning from Ember & Lark' };

export type ExampleOptions = { apiUrl: string; token: string; host: string };

/** Deploys the example site as `origan deploy` does: only what changed since the last start is uploaded. */
export async function deployExample({ apiUrl, token, host }: ExampleOptions): Promise<DeploySummary> {
  const client = createControlApiClient({ apiUrl, token });
  try {
    return await deploySite(
      { directory: EXAMPLE, project: PROJECT, domains: [host], createProject: true, environment: VARIABLES },
      client,
      () => undefined,
    );
  } finally {
    await client.close();
  }
}
