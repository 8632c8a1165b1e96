import { eq } from 'drizzle-orm';
import type { GithubLink } from '../../contracts/control-api-admin.ts';
import type { Context } from '../context.ts';
import { projects } from '../database/schema.ts';
import { Failure } from '../failure.ts';
import { endProject, type ProjectRow } from '../projects/project.ts';
import { forgetTokens, readToken, type InstallationToken } from './installation-tokens.ts';

/**
 * Says which repository a project is built from. For administrators of the installation only: nothing here proves that
 * a project's owner may read the repository, and its token would.
 */
export async function linkRepository(
  context: Context,
  project: ProjectRow,
  link: GithubLink | undefined,
): Promise<GithubLink | Record<string, never>> {
  await forgetLinked(context, project);
  await context.db
    .update(projects)
    .set({ githubInstallationId: link?.installationId ?? null, githubRepository: link?.repository ?? null })
    .where(eq(projects.id, project.id));
  await endProject(context, project);
  return link ?? {};
}

/** A token with which a build reads the project's repository, and nothing else. */
export async function projectToken(context: Context, project: ProjectRow): Promise<InstallationToken> {
  const { githubInstallationId: installationId, githubRepository: repository } = project;
  if (installationId === null || repository === null) {
    throw new Failure('CONFLICT', `The project ${project.name} is linked to no repository.`);
  }
  return await readToken(context, { installationId, repository });
}

async function forgetLinked(context: Context, project: ProjectRow): Promise<void> {
  const { githubInstallationId: installationId, githubRepository: repository } = project;
  if (installationId !== null && repository !== null)
    await forgetTokens(context, [{ installationId, repository }]);
}
