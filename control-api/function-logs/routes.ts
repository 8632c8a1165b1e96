import type { FunctionLogLine } from '../../contracts/function-logs.ts';
import type { Context } from '../context.ts';

const OBJECT = /^objects\/([0-9a-f]{64})$/;

/** The route at which a function answers, by what runners know of it: a path of its deployment, or its content. */
export type RouteOf = (path: string | undefined) => string | undefined;

/** Asks for the manifest, which is remembered, only where a line needs it. */
export async function routesOf(
  { sites }: Context,
  deploymentId: string,
  lines: readonly FunctionLogLine[],
): Promise<RouteOf> {
  if (lines.every(({ path }) => path === undefined)) return (path) => path;
  const { resources = [] } = (await sites.manifest(deploymentId)) ?? {};
  const routes = new Map<string, string>();
  for (const { kind, hash, resourcePath, urlPath } of resources) {
    if (kind !== 'dynamic') continue;
    // Several routes may have one function: the first in the manifest stands for them.
    for (const name of [resourcePath, ...(hash === undefined ? [] : [hash])])
      if (!routes.has(name)) routes.set(name, urlPath);
  }
  return (path = '') => routes.get(OBJECT.exec(path)?.[1] ?? path) ?? (path === '' ? undefined : path);
}
