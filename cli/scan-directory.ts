import type { Dirent } from 'node:fs';
import { access, constants, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { whyUnsafePath } from '../core/object-path.ts';
import { CliError, EXIT, listProblems } from './cli-error.ts';

export type ScanLimits = { maxFiles: number; maxFileBytes: number; maxTotalBytes: number };

/** What one deployment may hold; far above any real site, far below what would hurt a gateway or the bucket. */
export const DEFAULT_SCAN_LIMITS: ScanLimits = {
  maxFiles: 50_000,
  maxFileBytes: 1024 ** 3,
  maxTotalBytes: 10 * 1024 ** 3,
};

export type ScannedFile = {
  /** Path within the folder, `/` between segments, as it is spelled on disk. */
  path: string;
  absolutePath: string;
  size: number;
};

export type SkippedEntry = { path: string; reason: 'dotfile' | 'node_modules' };

export type Scan = { files: ScannedFile[]; skipped: SkippedEntry[]; totalBytes: number };

/**
 * Every file of a folder, in the order of their paths. Dotfiles and dot folders are left out, except
 * `.well-known`; so is `node_modules`. Symbolic links are followed as long as they stay inside the folder. What
 * cannot be published (a name no URL or store can carry, a link out of the folder, a socket, an unreadable
 * file, too much of anything) is refused with every such path named, since leaving it out in silence would
 * publish a broken site.
 *
 * @throws CliError
 */
export async function scanDirectory(root: string, limits: ScanLimits = DEFAULT_SCAN_LIMITS): Promise<Scan> {
  const realRoot = await requireDirectory(root);
  const walk: Walk = { realRoot, limits, files: [], skipped: [], problems: [], totalBytes: 0 };
  await walkFolder(walk, { path: '', realPath: realRoot, ancestors: [realRoot] });
  const { files, skipped, problems, totalBytes } = walk;
  if (totalBytes > limits.maxTotalBytes) {
    problems.push(`the files add up to ${totalBytes} bytes; at most ${limits.maxTotalBytes} are allowed`);
  }
  if (problems.length > 0) {
    throw new CliError('CANNOT_PUBLISH', `${root} cannot be deployed as it is:\n${listProblems(problems)}`);
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files, skipped, totalBytes };
}

type Walk = Scan & { realRoot: string; limits: ScanLimits; problems: string[] };

/** A folder on the way: `ancestors` are the real paths above it, which a link may not lead back to. */
type Folder = { path: string; realPath: string; ancestors: readonly string[] };

async function requireDirectory(root: string): Promise<string> {
  try {
    const realRoot = await realpath(root);
    if ((await stat(realRoot)).isDirectory()) return realRoot;
  } catch (error) {
    const hint = 'Name the folder that holds the built site, for example: origan deploy dist';
    throw new CliError('NO_SUCH_FOLDER', `${root} cannot be read: ${reason(error)}.`, {
      exitCode: EXIT.usage,
      hint,
      cause: error,
    });
  }
  throw new CliError('NOT_A_FOLDER', `${root} is not a folder.`, { exitCode: EXIT.usage });
}

async function walkFolder(walk: Walk, folder: Folder): Promise<void> {
  for (const entry of await listFolder(walk, folder)) {
    if (walk.files.length > walk.limits.maxFiles) return;
    const name = decodeName(entry.name);
    const path = folder.path === '' ? (name ?? '?') : `${folder.path}/${name ?? '?'}`;
    const skip = name === undefined ? undefined : whySkipped(name);
    if (skip !== undefined) walk.skipped.push({ path, reason: skip });
    else if (name === undefined) {
      walk.problems.push(`${shown(folder.path)}/: holds a name that is not UTF-8; rename it`);
    } else await visit(walk, folder, { name, path, entry });
  }
}

async function listFolder(walk: Walk, folder: Folder): Promise<Dirent<Buffer>[]> {
  try {
    // Names as bytes: one that is not UTF-8 must be seen as such, not as replacement characters.
    return await readdir(folder.realPath, { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    walk.problems.push(`${shown(folder.path)}/: cannot be read: ${reason(error)}`);
    return [];
  }
}

function decodeName(bytes: Buffer): string | undefined {
  const name = bytes.toString('utf8');
  return Buffer.from(name, 'utf8').equals(bytes) ? name : undefined;
}

function whySkipped(name: string): SkippedEntry['reason'] | undefined {
  if (name.startsWith('.') && name !== '.well-known') return 'dotfile';
  return name === 'node_modules' ? 'node_modules' : undefined;
}

type Visit = { name: string; path: string; entry: Dirent<Buffer> };

async function visit(walk: Walk, folder: Folder, { name, path, entry }: Visit): Promise<void> {
  const unsafe = whyUnsafePath(path);
  if (unsafe !== undefined) {
    walk.problems.push(`${shown(path)}: its path ${unsafe}; rename it`);
    return;
  }
  const target = await resolveEntry(walk, join(folder.realPath, name), entry, path);
  if (target === undefined) return;
  if (target.isDirectory) {
    if (folder.ancestors.includes(target.realPath)) {
      walk.problems.push(`${shown(path)}: is a link to a folder that contains it`);
      return;
    }
    const ancestors = [...folder.ancestors, target.realPath];
    await walkFolder(walk, { path, realPath: target.realPath, ancestors });
    return;
  }
  addFile(walk, { path, absolutePath: target.realPath, size: target.size });
}

type Target = { realPath: string; isDirectory: boolean; size: number };

async function resolveEntry(
  walk: Walk,
  absolutePath: string,
  entry: Dirent<Buffer>,
  path: string,
): Promise<Target | undefined> {
  try {
    const realPath = entry.isSymbolicLink() ? await realpath(absolutePath) : absolutePath;
    if (realPath !== walk.realRoot && !realPath.startsWith(walk.realRoot + sep)) {
      walk.problems.push(`${shown(path)}: is a link that leaves the folder; copy what it points to`);
      return undefined;
    }
    const found = await stat(realPath);
    if (found.isFile()) await access(realPath, constants.R_OK);
    if (found.isFile() || found.isDirectory()) {
      return { realPath, isDirectory: found.isDirectory(), size: found.size };
    }
    walk.problems.push(`${shown(path)}: is neither a file nor a folder`);
  } catch (error) {
    walk.problems.push(`${shown(path)}: cannot be read: ${reason(error)}`);
  }
  return undefined;
}

function addFile(walk: Walk, file: ScannedFile): void {
  walk.files.push(file);
  walk.totalBytes += file.size;
  if (file.size > walk.limits.maxFileBytes) {
    walk.problems.push(
      `${shown(file.path)}: has ${file.size} bytes; at most ${walk.limits.maxFileBytes} are allowed`,
    );
  }
  if (walk.files.length === walk.limits.maxFiles + 1) {
    walk.problems.push(`there are more than ${walk.limits.maxFiles} files`);
  }
}

/** A path fit for a terminal: control characters in a file name must not drive it. */
function shown(path: string): string {
  return path === '' ? '.' : JSON.stringify(path).slice(1, -1);
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOENT') return 'it does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  if (code === 'ELOOP') return 'it is a link that leads back to itself';
  return error instanceof Error ? error.message : String(error);
}
