import { normalizeDomain } from '../contracts/domain-names.ts';
import { normalizeHost } from '../core/host.ts';
import { CliError, EXIT } from './cli-error.ts';

/** A host as it is a key. @throws CliError when the text is none. */
export function requireHost(text: string): string {
  return known(text, normalizeHost(text));
}

/** The same, where `*.` before a host stands for every name one level below it. */
export function requireDomain(text: string): string {
  return known(text, normalizeDomain(text));
}

function known(text: string, host: string | undefined): string {
  if (host !== undefined) return host;
  throw new CliError('BAD_HOST', `${text} is no host name.`, {
    exitCode: EXIT.usage,
    hint: 'Write it without http:// and path: www.example.com, or demo.localhost:7777.',
  });
}
