import { readFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type BuildFailure, type BuildOptions, type Message, type Plugin } from 'esbuild';
import { CliError, listProblems } from './cli-error.ts';
import type { FunctionFile } from './find-functions.ts';
import { METHODS } from './function-adapter/adapt.ts';
import { hashBytes } from './hash-file.ts';
import { nodeBuiltins } from './node-builtins.ts';
import type { ScannedFile } from './scan-directory.ts';

export const MAX_FUNCTION_BYTES: number = 16 * 1024 * 1024;

/** A function ready for a runner: one ES module that exports `default.fetch`. */
export type BundledFunction = FunctionFile & {
  code: Buffer;
  hash: string;
  /** Methods it answers; undefined: all of them. */
  methods: string[] | undefined;
};

/**
 * Which files export a handler, and for which methods. A file that exports none is a helper that happens to lie
 * among the functions.
 */
export async function readHandlers(
  scripts: readonly ScannedFile[],
  directory: string,
): Promise<Map<string, string[] | undefined>> {
  const result = await runEsbuild(directory, {
    entryPoints: scripts.map(({ absolutePath }) => absolutePath),
    packages: 'external',
    metafile: true,
    plugins: [nodeBuiltins],
  });
  const handlers = new Map<string, string[] | undefined>();
  for (const output of Object.values(result.metafile?.outputs ?? {})) {
    const methods = handledMethods(output.exports);
    if (output.entryPoint !== undefined && methods !== 'none') handlers.set(output.entryPoint, methods);
  }
  const keyed = scripts.map(({ path, absolutePath }) => [path, relative(directory, absolutePath)] as const);
  return new Map(
    keyed.filter(([, key]) => handlers.has(key)).map(([path, key]) => [path, handlers.get(key)]),
  );
}

/**
 * Bundles each function with everything it imports into one module for workerd. The code depends on nothing but
 * the sources: the same sources have the same hash on every machine.
 *
 * @throws CliError naming each place that does not compile.
 */
export async function bundleFunctions(
  functions: readonly FunctionFile[],
  handlers: ReadonlyMap<string, string[] | undefined>,
  directory: string,
): Promise<BundledFunction[]> {
  const result = await runEsbuild(directory, {
    entryPoints: functions.map(({ path }, index) => ({ in: `${ENTRY}:${path}`, out: String(index) })),
    plugins: [entries(functions), nodeBuiltins],
    ...(functions.some(({ isNodeServer }) => isNodeServer === true) ? FOR_NODE : {}),
  });
  const outputs = new Map((result.outputFiles ?? []).map((file) => [file.path, file.contents]));
  return functions.map((file, index) => {
    const code = Buffer.from(outputs.get(`${directory}/.bundle/${index}.js`) ?? '');
    if (code.length > MAX_FUNCTION_BYTES) {
      const message = `the function ${file.path} is ${code.length} bytes; at most ${MAX_FUNCTION_BYTES} are allowed`;
      throw new CliError('FUNCTION_TOO_LARGE', message);
    }
    return { ...file, code, hash: hashBytes(code), methods: handlers.get(file.path) };
  });
}

// A server that was built for Node has beside it only the files of its packages that Node loads.
const FOR_NODE: BuildOptions = { platform: 'node', conditions: ['node', 'import'] };

const ENTRY = 'origan-function';
const ADAPTER = 'origan-adapter';
const NODE_SERVER_PORT = 8080;

/** The module around a function: it gives whatever form of handler the file exports the form that runners call. */
function entries(functions: readonly FunctionFile[]): Plugin {
  const byPath = new Map(functions.map((file) => [file.path, file]));
  return {
    name: 'function entries',
    setup(bundler) {
      bundler.onResolve({ filter: /^origan-function:/ }, ({ path }) => ({
        path: path.slice(ENTRY.length + 1),
        namespace: ENTRY,
      }));
      bundler.onResolve({ filter: /^origan-adapter$/ }, () => ({ path: 'adapt', namespace: ADAPTER }));
      bundler.onLoad({ filter: /.*/, namespace: ENTRY }, ({ path }) => {
        const file = byPath.get(path);
        return file === undefined
          ? undefined
          : { contents: entrySource(file), resolveDir: dirname(file.absolutePath) };
      });
      // Loaded under a name of its own: its place on disk would otherwise show in the bundle and change the hash.
      bundler.onLoad({ filter: /.*/, namespace: ADAPTER }, async () => ({
        contents: await readAdapter(),
        loader: 'ts',
      }));
    },
  };
}

function entrySource({ absolutePath, route, restName = '', isNodeServer = false }: FunctionFile): string {
  const module = JSON.stringify(absolutePath);
  if (isNodeServer) return nodeServerSource(module);
  const args = [route, restName].map((text) => JSON.stringify(text)).join(', ');
  return `import * as handlers from ${module};
import { adapt } from '${ADAPTER}';
export default adapt(handlers, ${args});
`;
}

/**
 * Lets the server listen on a port of the isolate's own and hands it every request. In Node what reads a body is a
 * property of Request and Response themselves, in isolates of a class before both: servers that look there find it.
 */
function nodeServerSource(module: string): string {
  return `import { httpServerHandler } from 'cloudflare:node';
import process from 'node:process';
let server;
for (const type of [Request, Response]) {
  const { constructor, ...ofBody } = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(type.prototype));
  if (constructor.value !== Object) Object.defineProperties(type.prototype, ofBody);
}
async function start() {
  process.env.NITRO_PORT = process.env.PORT = '${NODE_SERVER_PORT}';
  await import(${module});
  return httpServerHandler({ port: ${NODE_SERVER_PORT} });
}
export default {
  async fetch(request, env, context) {
    server ??= start();
    return (await server).fetch(request, env, context);
  },
};
`;
}

async function readAdapter(): Promise<string> {
  return readFile(fileURLToPath(new URL('function-adapter/adapt.ts', import.meta.url)), 'utf8');
}

function handledMethods(exported: readonly string[]): string[] | undefined | 'none' {
  if (exported.includes('default') || exported.includes('fetch')) return undefined;
  const methods = METHODS.filter((method) => exported.includes(method));
  if (methods.length === 0) return 'none';
  return METHODS.filter(
    (method) => methods.includes(method) || (method === 'HEAD' && methods.includes('GET')),
  );
}

async function runEsbuild(
  directory: string,
  options: BuildOptions,
): Promise<Awaited<ReturnType<typeof build>>> {
  try {
    return await build({
      absWorkingDir: directory,
      outdir: `${directory}/.bundle`,
      write: false,
      bundle: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2024',
      mainFields: ['module', 'main'],
      conditions: ['workerd', 'worker', 'browser', 'module', 'import'],
      // The place of a module in an isolate; workerd has none of its own.
      define: { 'process.env.NODE_ENV': '"production"', 'import.meta.url': '"file:///function.js"' },
      loader: { '.txt': 'text', '.md': 'text', '.html': 'text', '.sql': 'text' },
      external: ['cloudflare:*', 'workerd:*'],
      charset: 'utf8',
      legalComments: 'none',
      logLevel: 'silent',
      ...options,
    });
  } catch (error) {
    throw isBuildFailure(error) ? describeFailure(error) : error;
  }
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && Array.isArray((error as { errors?: unknown }).errors);
}

function describeFailure({ errors }: BuildFailure): CliError {
  const problems = listProblems(errors.map((message) => describe(message)));
  return new CliError('FUNCTION_DOES_NOT_COMPILE', `the functions could not be bundled:\n${problems}`, {
    hint: 'If the folder holds no functions but files to be published, pass --no-functions.',
  });
}

function describe({ location, text }: Message): string {
  return location === null ? text : `${location.file}:${location.line}:${location.column + 1}: ${text}`;
}
