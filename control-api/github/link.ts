import { eq } from 'drizzle-orm';
import type { GithubLink } from '../../contracts/control-api-admin.ts';
import type { Context } from '../context.ts';
import { inTransaction } from '../database/database.ts';
import { projects } from '../database/schema.ts';
import { endEverywhere, noteEndings } from '../endings/endings.ts';
import { Failure } from '../failure.ts';
import { projectKeys, type ProjectRow } from '../projects/project.ts';
import { readToken, tokenKeys, type InstallationToken, type Repository } from './installation-tokens.ts';

/**
 * Says which repository a project is built from. For administrators of the installation only: nothing here proves that
 * a project's owner may read the repository, and its token would.
 */
export async function linkRepository(
  context: Context,
  project: ProjectRow,
  link: GithubLink | undefined,
): Promise<GithubLink | Record<string, never>> {
  const endings = await inTransaction(context.db, async (tx) => {
    await tx
      .update(projects)
      .set({ githubInstallationId: link?.installationId ?? null, githubRepository: link?.repository ?? null })
      .where(eq(projects.id, project.id));
    return await noteEndings(tx, [...tokenKeys(linkedTo(project)), ...projectKeys(project)]);
  });
  await endEverywhere(context, endings);
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

function linkedTo({ githubInstallationId, githubRepository }: ProjectRow): Repository[] {
  return githubInstallationId === null || githubRepository === null
    ? []
    : [{ installationId: githubInstallationId, repository: githubRepository }];
}
