import type { Manifest } from '../../contracts/manifest.ts';
import type { DeploymentMetadata } from '../../contracts/metadata.ts';
import { contentKey } from '../../contracts/object-keys.ts';
import { sealEnvironment } from '../../contracts/sealed-environment.ts';
import type { Context } from '../context.ts';
import { readVariables } from '../environments/revision.ts';
import type { DeploymentRow } from './deployment.ts';

/** What the runner is told of a deployment. With a key, the environment leaves this program sealed only. */
export async function describeForRunner(
  { db, config }: Context,
  row: DeploymentRow,
  manifest: Manifest,
): Promise<DeploymentMetadata> {
  const key = config.ENVIRONMENT_KEY;
  const variables = await readVariables(db, row.environmentRevisionId, key);
  return {
    deploymentId: row.id,
    projectId: row.projectId,
    environmentRevisionId: row.environmentRevisionId,
    createdAt: row.createdAt.toISOString(),
    ...(key === undefined
      ? { environmentVariables: variables }
      : { sealedEnvironment: sealEnvironment(variables, row.id, key) }),
    functions: functionsOf(row.projectId, manifest),
  };
}

function functionsOf(
  projectId: string,
  { resources }: Manifest,
): Record<string, { key: string; hash: string }> {
  return Object.fromEntries(
    resources.flatMap(({ kind, resourcePath, hash }) =>
      kind === 'static' || hash === undefined
        ? []
        : [[resourcePath, { key: contentKey(projectId, hash), hash }]],
    ),
  );
}
