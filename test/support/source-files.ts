import { REPOSITORY, startProcess } from './process.ts';

/** Every file of the repository that git knows or would add, with forward slashes, sorted. */
export async function repositoryFiles(): Promise<string[]> {
  const git = startProcess('git', {
    args: ['ls-files', '--cached', '--others', '--exclude-standard', '-z'],
    cwd: REPOSITORY,
  });
  const { code } = await git.exited;
  if (code !== 0) throw new Error(`git ls-files failed: ${git.stderr()}`);
  return git.stdout().split('\0').filter(Boolean).toSorted();
}

/** The TypeScript sources among them. */
export async function sourceFiles(): Promise<string[]> {
  return (await repositoryFiles()).filter((file) => file.endsWith('.ts'));
}
