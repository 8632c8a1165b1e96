import { CliError, EXIT } from '../cli-error.ts';

/** One process at a time walks through the keys. */
export function busy(): CliError {
  return new CliError('CONFLICT', 'Another process is walking through the keys just now.', {
    exitCode: EXIT.conflict,
    hint: 'Try again in a minute.',
  });
}
