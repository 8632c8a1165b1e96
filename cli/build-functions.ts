import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bundleFunctions, readHandlers, type BundledFunction } from './bundle-functions.ts';
import { CliError, EXIT, listProblems } from './cli-error.ts';
import { findScripts, routeFunctions } from './find-functions.ts';
import type { FunctionFolder } from './find-layout.ts';
import { scanDirectory, type ScannedFile } from './scan-directory.ts';

export type BuiltFunctions = {
  functions: BundledFunction[];
  /** The folder they came from, which is not published; undefined when there are none. */
  directory: string | undefined;
  warnings: string[];
};

/**
 * The functions of the first folder that holds any. A folder that only has the name of one (documentation of an
 * API in `api/`, say) is left to be published as it is.
 */
export async function buildFunctions(folders: readonly FunctionFolder[]): Promise<BuiltFunctions> {
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

function noFunctions(directory: string): CliError {
  return new CliError('NO_FUNCTIONS', `${directory} holds no functions.`, {
    exitCode: EXIT.usage,
    hint: 'A function is a module that exports default { fetch }, fetch, a default function, or GET, POST, …',
  });
}
