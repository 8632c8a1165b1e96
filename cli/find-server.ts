import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { readTextIfPresent } from './site-config.ts';

/** A server that a framework built, as one module with everything it needs around it. */
export type ServerBuild = {
  /** The module to start from. */
  entry: string;
  /** The folder that it and what it imports lie in. */
  directory: string;
  /** Written for Node's HTTP server; otherwise the module exports a fetch handler. */
  isNodeServer: boolean;
};

const nitroSchema = z.object({ preset: z.string() });

/**
 * The server beside the published folder: Nitro (and Nuxt, SolidStart, TanStack Start, which build with it) writes
 * `.output/public` and `.output/server/index.mjs`, with `.output/nitro.json` to tell. Presets for fetch handlers and
 * the default one, for Node's HTTP server, both run.
 */
export async function findServer(published: string): Promise<ServerBuild | undefined> {
  const output = dirname(published);
  const entry = join(output, 'server', 'index.mjs');
  const description =
    basename(published) === 'public' ? await readTextIfPresent(join(output, 'nitro.json')) : undefined;
  if (description === undefined || !(await isFile(entry))) return undefined;
  const { preset } = nitroSchema.parse(JSON.parse(description));
  const isNodeServer = /^node[-_](?:server|cluster)$/.test(preset);
  return { entry: await realpath(entry), directory: await realpath(output), isNodeServer };
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
