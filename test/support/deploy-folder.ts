import { rm } from 'node:fs/promises';
import { createControlApiClient } from '../../cli/control-api-client.ts';
import { deploySite, type DeploySummary } from '../../cli/deploy.ts';
import { writeFolder } from './site-folder.ts';

export type FolderDeployment = {
  apiUrl: string;
  token: string;
  files: Record<string, string | Buffer>;
  host: string;
  project?: string;
};

/** Deploys files through the ordinary deploy code, creating the project when there is none. */
export async function deployFolder(options: FolderDeployment): Promise<DeploySummary> {
  const { apiUrl, token, files, host, project = 'site' } = options;
  const directory = await writeFolder(files);
  const client = createControlApiClient({ apiUrl, token });
  try {
    return await deploySite(
      { directory, project, domains: [host], createProject: true },
      client,
      () => undefined,
    );
  } finally {
    await client.close();
    await rm(directory, { recursive: true });
  }
}
