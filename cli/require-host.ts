import { normalizeHost } from '../core/host.ts';
import { CliError, EXIT } from './cli-error.ts';

/** A host as it is a key. @throws CliError when the text is none. */
export function requireHost(text: string): string {
  const host = normalizeHost(text);
  if (host !== undefined) return host;
  throw new CliError('BAD_HOST', `${text} is no host name.`, {
    exitCode: EXIT.usage,
    hint: 'Write it without http:// and path: www.example.com, or demo.localhost:7777.',
  });
}
