import { createRequire } from 'node:module';
import { z } from 'zod';

const manifest: unknown = createRequire(import.meta.url)('../package.json');

/** Version of the package this program is part of. */
export const packageVersion: string = z.object({ version: z.string() }).parse(manifest).version;
