import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CliError, EXIT } from './cli-error.ts';
import { findServer, type ServerBuild } from './find-server.ts';
import { readSiteConfig, SITE_CONFIG_NAME, type SiteConfig } from './site-config.ts';

/** Where the parts of a site lie on disk. */
export type SiteLayout = {
  /** Folder of the files that are published. */
  directory: string;
  /** Folders that may hold functions, the first that does wins. */
  functionFolders: FunctionFolder[];
  /** A server that a framework built beside the files: it answers what no file does. */
  server: ServerBuild | undefined;
  config: SiteConfig;
};

export type FunctionFolder = {
  directory: string;
  /** `/api` for a folder whose name belongs to the route. */
  prefix: string;
  /** Named by the user, not found by its name: then it must hold functions. */
  isExplicit: boolean;
};

/** Where frameworks write the built site, as seen from the project's folder. */
const OUTPUT_FOLDERS: readonly string[] = ['.output/public', 'dist', 'build', 'out', '_site', 'public'];

/**
 * Finds a site's parts from the folder that the user named: the folder itself is published, or what its
 * `origan.json` names, or, where it is a project that has not been told, the folder that its framework built.
 *
 * @param functions a folder named on the command line; false: none.
 */
export async function findLayout(named: string, functions?: string | false): Promise<SiteLayout> {
  if (await isFile(resolve(named))) throw notAFolder(named);
  const root = await enterOutput(resolve(named));
  const own = await readSiteConfig(join(root, SITE_CONFIG_NAME));
  const directory = own.directory === undefined ? await findOutput(root) : resolve(root, own.directory);
  const project = directory === root ? await findProject(root) : root;
  const isInherited = directory === root && project !== root && !(await isFile(join(root, SITE_CONFIG_NAME)));
  const config = isInherited ? await readSiteConfig(join(project, SITE_CONFIG_NAME)) : own;
  const chosen = functions ?? (config.functions === false ? false : resolvePath(project, config.functions));
  const functionFolders = await findFunctionFolders(directory, project, chosen);
  const server = chosen === false ? undefined : await findServer(directory);
  return { directory, functionFolders, server, config };
}

function notAFolder(named: string): CliError {
  return new CliError('NOT_A_FOLDER', `${named} is a file, not a folder.`, {
    exitCode: EXIT.usage,
    hint: 'Name the folder that holds the built site, for example: origan deploy dist',
  });
}

/** Nitro's `.output` itself is named as often as the `public` in it. */
async function enterOutput(root: string): Promise<string> {
  return (await isFile(join(root, 'nitro.json'))) && (await isDirectory(join(root, 'public')))
    ? join(root, 'public')
    : root;
}

function resolvePath(folder: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(folder, path);
}

/** The folder itself, unless it is the source of a project whose build lies in a folder of a known name. */
async function findOutput(root: string): Promise<string> {
  if ((await isFile(join(root, 'index.html'))) && !(await isSourceOfBuild(root))) return root;
  if (!(await isFile(join(root, 'package.json')))) return root;
  for (const name of OUTPUT_FOLDERS) {
    if (await isDirectory(join(root, name))) return join(root, name);
  }
  return root;
}

/** Vite's own index.html lies beside package.json and is no page yet: its build is in dist/. */
async function isSourceOfBuild(root: string): Promise<boolean> {
  return (await isFile(join(root, 'package.json'))) && (await isFile(join(root, 'dist/index.html')));
}

/** The project around a built folder: the folder above it when that is one, otherwise the folder itself. */
async function findProject(root: string): Promise<string> {
  const above = basename(dirname(root)) === '.output' ? dirname(dirname(root)) : dirname(root);
  const isProject =
    (await isFile(join(above, 'package.json'))) || (await isFile(join(above, SITE_CONFIG_NAME)));
  return isProject ? above : root;
}

async function findFunctionFolders(
  directory: string,
  project: string,
  chosen: string | false | undefined,
): Promise<FunctionFolder[]> {
  if (chosen === false) return [];
  if (chosen !== undefined) return [await requireFunctionFolder(resolve(chosen))];
  const candidates = [
    { directory: join(directory, 'functions'), prefix: '' },
    { directory: join(directory, 'api'), prefix: '/api' },
    ...(project === directory ? [] : [{ directory: join(project, 'functions'), prefix: '' }]),
  ];
  const present = await Promise.all(candidates.map(async (folder) => isDirectory(folder.directory)));
  return candidates.filter((_, index) => present[index]).map((folder) => ({ ...folder, isExplicit: false }));
}

async function requireFunctionFolder(directory: string): Promise<FunctionFolder> {
  if (await isDirectory(directory)) {
    return { directory, prefix: basename(directory) === 'api' ? '/api' : '', isExplicit: true };
  }
  throw new CliError('NO_SUCH_FOLDER', `There is no folder ${directory} with functions.`, {
    exitCode: EXIT.usage,
  });
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
