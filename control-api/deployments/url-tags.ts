import { tagOfUrl } from '../../cache/url-tag.ts';
import type { Context } from '../context.ts';
import { findOwnDomain } from '../domains/find-domain.ts';
import { normalizeHost } from '../../core/host.ts';
import { Failure } from '../failure.ts';
import type { ProjectRow } from '../projects/project.ts';
import { recentBuildsOf } from './recent-by-host.ts';

/**
 * The tags under which gateways store what functions answer at an address: one for each way in which the deployments
 * that may be asked there read a query.
 *
 * @throws Failure NOT_FOUND when the host is not one of the project's.
 */
export async function tagsOfUrl(context: Context, project: ProjectRow, text: string): Promise<string[]> {
  const url = URL.parse(text);
  const host = url === null ? undefined : normalizeHost(url.host);
  if (url === null || host === undefined) {
    throw new Failure(
      'BAD_REQUEST',
      `${JSON.stringify(text)} is no address, such as https://www.example.com/api/news.`,
    );
  }
  const { deploymentId } = await findOwnDomain(context, project, host);
  const recent = await recentBuildsOf(context, host);
  const ids = [
    ...(deploymentId === null ? [] : [deploymentId]),
    ...recent.map((build) => build.deploymentId),
  ];
  const manifests = await Promise.all(ids.map((id) => context.sites.manifest(id)));
  const tags = manifests.map((manifest) =>
    tagOfUrl(host, url.pathname, url.search, manifest?.cache?.ignoreQuery ?? []),
  );
  return [...new Set(tags)];
}
