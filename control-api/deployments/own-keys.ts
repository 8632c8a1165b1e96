import { keys, keysOfDeployment, type CacheKey } from '../../cache/keys.ts';
import { normalizeDomain } from '../../contracts/domain-names.ts';
import type { Context } from '../context.ts';
import { findOwnDomain } from '../domains/find-domain.ts';
import { Failure } from '../failure.ts';
import { isUuid } from '../is-uuid.ts';
import { projectKeys, type ProjectRow } from '../projects/project.ts';
import { getDeployment } from './deployment.ts';

/**
 * The key that a name of the cache's catalogue means, where what it stands for is the project's.
 *
 * @throws Failure BAD_REQUEST for a name that cannot be purged, NOT_FOUND for what is not the project's.
 */
export async function ownKey(
  context: Context,
  project: ProjectRow,
  name: string,
): Promise<CacheKey<unknown>> {
  const [family = '', id = '', ...rest] = name.split(':');
  if (family === 'domain' && id !== '') {
    const host = name.slice('domain:'.length);
    await findOwnDomain(context, project, host);
    return keys.domain(normalizeDomain(host) ?? host);
  }
  const candidates = {
    deployment: keysOfDeployment(id),
    response: rest.length > 0 ? [keys.response(id, rest.join(':'))] : [],
    project: projectKeys(project),
  };
  const known = Object.hasOwn(candidates, family) ? candidates[family as keyof typeof candidates] : [];
  const key = known.find((candidate) => candidate.name === name);
  if (key === undefined || (family !== 'project' && !isUuid(id))) throw unknownKey(name);
  if (family !== 'project') await getDeployment(context.db, project, id);
  return key;
}

function unknownKey(name: string): Failure {
  const known =
    'domain:HOST, deployment:ID:config, :metadata or :exists, project:NAME:config, project:ID:environments, response:ID:REST';
  return new Failure('BAD_REQUEST', `${JSON.stringify(name)} is no key of this project: ${known}.`);
}
