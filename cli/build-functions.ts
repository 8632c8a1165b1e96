import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bundleFunctions, readHandlers, type BundledFunction } from './bundle-functions.ts';
import { CliError, EXIT, listProblems } from './cli-error.ts';
import { findScripts, routeFunctions, type FunctionFile } from './find-functions.ts';
import type { FunctionFolder } from './find-layout.ts';
import type { ServerBuild } from './find-server.ts';
import { scanDirectory, type ScannedFile } from './scan-directory.ts';

export type BuiltFunctions = {
  functions: BundledFunction[];
  /** The folder they came from, which is not published; undefined when there are none. */
  directory: string | undefined;
  warnings: string[];
};

/**
 * The functions of the first folder that holds any, and the framework's server. A folder that only has the name of one (documentation of an
 * API in `api/`, say) is left to be published as it is.
 */
export async function buildFunctions(
  folders: readonly FunctionFolder[],
  server: ServerBuild | undefined,
): Promise<BuiltFunctions> {
  const own = await buildFolders(folders);
  return server === undefined ? own : { ...own, functions: [...own.functions, await buildServer(server)] };
}

async function buildFolders(folders: readonly FunctionFolder[]): Promise<BuiltFunctions> {
  const warnings: string[] = [];
  for (const folder of folders) {
    const scripts = findScripts((await scanDirectory(folder.directory)).files);
    const built = scripts.length === 0 ? undefined : await buildFolder(folder, scripts);
    if (built !== undefined) return built;
    if (folder.isExplicit) throw noFunctions(folder.directory);
    if (scripts.length > 0 && folder.prefix === '') {
      warnings.push(
        `${folder.directory} holds scripts, but none exports a handler: no functions are deployed`,
      );
    }
  }
  return { functions: [], directory: undefined, warnings };
}

async function buildFolder(
  folder: FunctionFolder,
  scripts: readonly ScannedFile[],
): Promise<BuiltFunctions | undefined> {
  // The folder above, so that messages and comments in the code name `functions/…`.
  const base = dirname(await realpath(folder.directory));
  const handlers = await readHandlers(scripts, base);
  if (handlers.size === 0) return undefined;
  const isFunction = ({ path }: ScannedFile): boolean => handlers.has(path);
  const { functions, errors } = routeFunctions(scripts.filter(isFunction), folder.prefix);
  if (errors.length > 0) {
    const message = `the functions in ${folder.directory} cannot be deployed:\n${listProblems(errors)}`;
    throw new CliError('BAD_FUNCTIONS', message, { exitCode: EXIT.usage });
  }
  const warnings = scripts
    .filter((script) => !isFunction(script))
    .map(
      ({ path }) => `${path} exports no handler and is no function; begin its name with _ if that is meant`,
    );
  return {
    functions: await bundleFunctions(functions, handlers, base),
    directory: folder.directory,
    warnings,
  };
}

/** A server answers wherever no file and no function of the site's own does. */
async function buildServer({ entry, directory, isNodeServer }: ServerBuild): Promise<BundledFunction> {
  const script: ScannedFile = { path: 'server/index.mjs', absolutePath: entry, size: 0 };
  const handlers = await readHandlers([script], directory);
  if (!isNodeServer && !handlers.has(script.path)) throw noFetchHandler(entry);
  const file: FunctionFile = {
    path: script.path,
    absolutePath: entry,
    route: '/*',
    restName: 'path',
    isNodeServer,
  };
  const [server] = await bundleFunctions([file], handlers, directory);
  if (server === undefined) throw new Error('esbuild answered nothing for the server');
  return server;
}

function noFetchHandler(entry: string): CliError {
  return new CliError('NO_FUNCTIONS', `${entry} exports no fetch handler.`, {
    exitCode: EXIT.usage,
    hint: 'Build with the default preset of Nitro, or with NITRO_PRESET=standard; --no-functions deploys files only.',
  });
}

function noFunctions(directory: string): CliError {
  return new CliError('NO_FUNCTIONS', `${directory} holds no functions.`, {
    exitCode: EXIT.usage,
    hint: 'A function is a module that exports default { fetch }, fetch, a default function, or GET, POST, …',
  });
}
