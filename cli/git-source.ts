import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Source } from '../contracts/control-api.ts';

const GIT_TIMEOUT_MS = 3000;
const MAX_MESSAGE = 200;

/** Branch, commit and its first line, when the folder is under git; undefined otherwise. Never fails a deploy. */
export async function readGitSource(directory: string): Promise<Source | undefined> {
  try {
    const line = await git(directory, ['log', '-1', '--format=%H%x00%s']);
    const [commit, message = ''] = line.trim().split('\0');
    const branch = (await git(directory, ['rev-parse', '--abbrev-ref', 'HEAD'])).trim();
    const isNamed = branch !== '' && branch !== 'HEAD';
    return {
      ...(isNamed ? { branch } : {}),
      ...(commit ? { commit } : {}),
      message: message.slice(0, MAX_MESSAGE),
    };
  } catch {
    // No git, no repository, no commit yet: the deployment just has no source.
    return undefined;
  }
}

async function git(directory: string, args: string[]): Promise<string> {
  const options = { cwd: directory, timeout: GIT_TIMEOUT_MS, windowsHide: true };
  return (await promisify(execFile)('git', args, options)).stdout;
}
