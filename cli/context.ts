import type { Clock } from '../core/clock.ts';
import type { Environment } from '../core/env.ts';
import { createControlApiClient, type ControlApiClient } from './control-api-client.ts';
import { resolveConnection, type ConnectionFlags } from './settings.ts';
import type { Terminal } from './terminal.ts';

/** What commands get from outside: everything that a test replaces. */
export type CliContext = {
  env: Environment;
  cwd: string;
  terminal: Terminal;
  clock: Clock;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** Standard input to its end, for secrets that are piped in; undefined on a terminal. */
  readInput: () => Promise<string | undefined>;
};

/** Options that every command has. */
export type CommonOptions = ConnectionFlags & { json?: boolean | undefined };

/** Runs `work` with a client of the chosen installation, and closes it whatever happens. */
export async function withClient<Result>(
  context: CliContext,
  options: CommonOptions,
  work: (client: ControlApiClient) => Promise<Result>,
): Promise<Result> {
  const { apiUrl, token } = await resolveConnection(options, context.env, context.cwd);
  const client = createControlApiClient({ apiUrl, token });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** Writes a result: as one line of JSON for scripts, or as text for people. */
export function printResult(
  context: CliContext,
  options: CommonOptions,
  result: unknown,
  text: () => string,
): void {
  context.terminal.out(options.json === true ? `${JSON.stringify(result)}\n` : text());
}
