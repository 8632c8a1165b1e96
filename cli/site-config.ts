import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { CacheOptions } from '../contracts/manifest.ts';
import { CliError, EXIT, listProblems } from './cli-error.ts';

/** Name of the file in which a site says what cannot be told from its files. */
export const SITE_CONFIG_NAME = 'origan.json';

/** `origan.json`, checked. Paths are relative to the file. */
export type SiteConfig = {
  /** Defaults of the command's arguments. */
  project?: string | undefined;
  domain?: string | undefined;
  track?: string | undefined;
  /** Folder of the built site. */
  directory?: string | undefined;
  /** Folder of the functions; false: deploy none. */
  functions?: string | false | undefined;
  html?: 'auto' | 'slash' | 'no-slash' | 'off' | undefined;
  notFound?: 'spa' | '404' | undefined;
  redirects?: { from: string; to: string; status: number; force?: boolean | undefined }[] | undefined;
  headers?:
    | { for: string; set: Record<string, string | string[]>; remove?: string[] | undefined }[]
    | undefined;
  headersOnFunctions?: boolean | undefined;
  pinByCookie?: boolean | undefined;
  cache?: CacheOptions | undefined;
};

const redirect = z.strictObject({
  from: z.string(),
  to: z.string(),
  status: z.number().int().default(302),
  force: z.boolean().optional(),
});

const headerBlock = z.strictObject({
  for: z.string(),
  set: z.record(z.string(), z.union([z.string(), z.array(z.string())])).default({}),
  remove: z.array(z.string()).optional(),
});

const siteConfigSchema: z.ZodType<SiteConfig> = z.strictObject({
  $schema: z.string().optional(),
  project: z.string().optional(),
  domain: z.string().optional(),
  track: z.string().optional(),
  directory: z.string().optional(),
  functions: z.union([z.string(), z.literal(false)]).optional(),
  html: z.enum(['auto', 'slash', 'no-slash', 'off']).optional(),
  notFound: z.enum(['spa', '404']).optional(),
  redirects: z.array(redirect).optional(),
  headers: z.array(headerBlock).optional(),
  headersOnFunctions: z.boolean().optional(),
  pinByCookie: z.boolean().optional(),
  cache: z
    .strictObject({
      profile: z.enum(['safe', 'rfc']).optional(),
      ignoreQuery: z.array(z.string()).optional(),
      honorRequestDirectives: z.boolean().optional(),
    })
    .optional(),
});

/**
 * Reads an `origan.json`; an absent one is an empty one. Unknown keys are refused: a misspelt key that is
 * silently ignored is found in production.
 *
 * @throws CliError naming every wrong key.
 */
export async function readSiteConfig(path: string): Promise<SiteConfig> {
  const text = await readTextIfPresent(path);
  if (text === undefined) return {};
  const parsed = siteConfigSchema.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || '(file)'}: ${issue.message}`,
  );
  throw new CliError('BAD_SITE_CONFIG', `${path} is not right:\n${listProblems(problems)}`, {
    exitCode: EXIT.usage,
    hint: 'docs/deploy.md lists the keys of origan.json.',
  });
}

/** The text of a file without its byte order mark, undefined when there is none. @throws CliError */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  const bytes = await readIfPresent(path);
  try {
    // Fatal: what is not UTF-8 would become replacement characters, in a redirect or a secret, unnoticed.
    return bytes === undefined ? undefined : new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CliError('UNREADABLE', `${path} is not UTF-8 text.`, {
      exitCode: EXIT.usage,
      hint: 'Save it as UTF-8.',
      cause: error,
    });
  }
}

async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const message = `${path} cannot be read: ${(error as Error).message}`;
    throw new CliError('UNREADABLE', message, { exitCode: EXIT.usage, cause: error });
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CliError('BAD_SITE_CONFIG', `${path} is not JSON: ${(error as Error).message}`, {
      exitCode: EXIT.usage,
      cause: error,
    });
  }
}
