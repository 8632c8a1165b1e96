import type { ScannedFile } from './scan-directory.ts';

/** A file that becomes a function, and where it answers. */
export type FunctionFile = {
  /** Path within the functions' folder. */
  path: string;
  absolutePath: string;
  /** Route as the manifest holds it: `/api/items/:id`, `/files/*`. */
  route: string;
  /** Name that `[...name]` gave to the rest of the path. */
  restName?: string | undefined;
  /** Written for Node's own HTTP server: the module listens instead of exporting a handler. */
  isNodeServer?: boolean | undefined;
};

const SCRIPT = /\.(?:ts|tsx|mts|js|jsx|mjs)$/;
const NO_ROUTE = /(?:\.d\.[mc]?ts|\.(?:test|spec)\.[^.]+)$/;

/** Scripts that may be functions: not those with a name, or in a folder, that begins with `_`, nor tests and types. */
export function findScripts(files: readonly ScannedFile[]): ScannedFile[] {
  return files.filter(({ path }) => isRouteFile(path));
}

/**
 * Where functions answer, by the names of their files: `api/items/[id].ts` at `/api/items/:id`, `[...rest]` is the
 * rest of the path, `index` is its folder.
 *
 * @param prefix `/api` for a folder whose own name belongs to the route, otherwise empty.
 */
export function routeFunctions(
  files: readonly ScannedFile[],
  prefix: string,
): { functions: FunctionFile[]; errors: string[] } {
  const functions: FunctionFile[] = [];
  const errors: string[] = [];
  for (const { path, absolutePath } of files) {
    const route = toRoute(path, prefix);
    if (typeof route === 'string') errors.push(`${path}: ${route}`);
    else functions.push({ path, absolutePath, ...route });
  }
  return { functions, errors: [...errors, ...clashes(functions)] };
}

function isRouteFile(path: string): boolean {
  return (
    SCRIPT.test(path) && !NO_ROUTE.test(path) && !path.split('/').some((segment) => segment.startsWith('_'))
  );
}

function toRoute(path: string, prefix: string): { route: string; restName?: string } | string {
  const segments = path.replace(SCRIPT, '').split('/');
  if (segments.at(-1) === 'index') segments.pop();
  const names = new Set<string>();
  const parts: string[] = [];
  for (const [index, segment] of segments.entries()) {
    const rest = /^\[\[?\.\.\.([A-Za-z_]\w*)\]?\]$/.exec(segment)?.[1];
    const name = rest ?? /^\[([A-Za-z_]\w*)\]$/.exec(segment)?.[1];
    if (name === undefined && /[[\]:*]/.test(segment)) {
      return `${segment} must be a plain name, [name] or [...name]`;
    }
    if (rest !== undefined && index < segments.length - 1)
      return `${segment} must be the last part of the path`;
    if (name !== undefined && names.has(name)) return `[${name}] is used twice`;
    if (name !== undefined) names.add(name);
    if (rest !== undefined) return { route: `${prefix}/${[...parts, '*'].join('/')}`, restName: rest };
    parts.push(name === undefined ? segment : `:${name}`);
  }
  const route = `${prefix}/${parts.join('/')}`;
  return { route: route.length > 1 ? route.replace(/\/$/, '') : route };
}

function clashes(functions: readonly FunctionFile[]): string[] {
  const seen = new Map<string, string>();
  return functions.flatMap(({ path, route }) => {
    const key = route.replaceAll(/:[^/]+/g, ':');
    const other = seen.get(key);
    seen.set(key, path);
    return other === undefined ? [] : [`${path}: answers at the same route as ${other} (${route})`];
  });
}
