import { deploymentListSchema } from '../contracts/control-api-answers.ts';
import { apiPaths, type Deployment } from '../contracts/control-api.ts';
import { CliError, EXIT } from './cli-error.ts';
import type { ControlApiClient } from './control-api-client.ts';

export type ListOptions = { track?: string | undefined; limit: number; signal?: AbortSignal | undefined };

const PAGE = 100;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The newest deployments of a project, up to `limit`. */
export async function listDeployments(
  client: ControlApiClient,
  project: string,
  { track, limit, signal }: ListOptions,
): Promise<Deployment[]> {
  const found: Deployment[] = [];
  let before: string | null = null;
  do {
    const query = new URLSearchParams({ limit: String(Math.min(PAGE, limit - found.length)) });
    if (track !== undefined) query.set('track', track);
    if (before !== null) query.set('before', before);
    const path = `${apiPaths.deployments(project)}?${query.toString()}`;
    const page = await client.call({ method: 'GET', path, answer: deploymentListSchema, signal });
    found.push(...page.deployments);
    before = page.next;
  } while (before !== null && found.length < limit);
  return found;
}

/** The id of the deployment that an id, or its first characters, means. @throws CliError when it is none or several. */
export async function findDeploymentId(
  client: ControlApiClient,
  project: string,
  text: string,
): Promise<string> {
  const wanted = text.toLowerCase();
  if (UUID.test(wanted)) return wanted;
  if (!/^[0-9a-f-]{4,36}$/.test(wanted)) {
    throw new CliError('BAD_ID', `${text} is no id of a deployment.`, {
      exitCode: EXIT.usage,
      hint: 'origan deployments lists them; the first eight characters are enough.',
    });
  }
  const all = await listDeployments(client, project, { limit: 1000 });
  const [first, second] = all.filter(({ id }) => id.startsWith(wanted));
  if (first === undefined) {
    throw new CliError('NOT_FOUND', `The project ${project} has no deployment ${text}.`, {
      exitCode: EXIT.notFound,
    });
  }
  if (second === undefined) return first.id;
  throw new CliError('AMBIGUOUS', `Several deployments begin with ${text}: name more of it.`, {
    exitCode: EXIT.usage,
  });
}
