import { join } from 'node:path';
import type { HeaderRule, RedirectRule } from '../contracts/manifest.ts';
import { CliError, EXIT, listProblems } from './cli-error.ts';
import { compileHeaders, parseHeaderLines, type RawHeaderBlock } from './compile-headers.ts';
import { compileRedirects, parseRedirectLines, type RawRedirect } from './compile-redirects.ts';
import { readTextIfPresent, SITE_CONFIG_NAME, type SiteConfig } from './site-config.ts';

export type CompiledRules = { redirects: RedirectRule[]; headers: HeaderRule[]; isSpa: boolean };

/** Names at the root of a site that say how it is served and are not published. */
export const RULE_FILES: readonly string[] = ['_headers', '_redirects', SITE_CONFIG_NAME];

/**
 * Compiles `_redirects` and `_headers` of the published folder, then the rules of `origan.json` after them.
 *
 * @throws CliError with every line that is wrong.
 */
export async function compileRules(directory: string, config: SiteConfig): Promise<CompiledRules> {
  const redirectLines = parseRedirectLines((await readTextIfPresent(join(directory, '_redirects'))) ?? '');
  const headerLines = parseHeaderLines((await readTextIfPresent(join(directory, '_headers'))) ?? '');
  const redirects = compileRedirects([...redirectLines.raw, ...configRedirects(config)]);
  const headers = compileHeaders([...headerLines.raw, ...configHeaders(config)]);
  const errors = [...redirectLines.errors, ...redirects.errors, ...headerLines.errors, ...headers.errors];
  if (errors.length > 0) throw badRules(errors);
  return { redirects: redirects.rules, headers: headers.rules, isSpa: redirects.isSpa };
}

export function badRules(errors: readonly string[]): CliError {
  return new CliError('BAD_RULES', `the redirects and headers cannot be used:\n${listProblems(errors)}`, {
    exitCode: EXIT.usage,
  });
}

function configRedirects(config: SiteConfig): RawRedirect[] {
  return (config.redirects ?? []).map((entry, index) => ({
    ...entry,
    where: `origan.json redirects[${index}]`,
  }));
}

function configHeaders(config: SiteConfig): RawHeaderBlock[] {
  return (config.headers ?? []).map((entry, index) => ({
    for: entry.for,
    set: Object.entries(entry.set).flatMap(([name, value]) =>
      [value].flat().map((single): [string, string] => [name, single]),
    ),
    remove: entry.remove ?? [],
    where: `origan.json headers[${index}]`,
  }));
}
