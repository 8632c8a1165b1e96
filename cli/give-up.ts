import { deploymentSchema } from '../contracts/control-api-answers.ts';
import { apiPaths } from '../contracts/control-api.ts';
import { CliError } from './cli-error.ts';
import type { ControlApiClient } from './control-api-client.ts';
import { ApiRefusalError } from './control-api-errors.ts';
import { messageOf } from '../core/errors.ts';

/**
 * What became of a deployment that was given up. `complete`: it had been finished before that could be said. `unknown`: the
 * control API did not answer.
 */
export type Ending = 'given-up' | 'complete' | 'unknown';

// Ctrl-C a second time ends the program at once.
const TIMEOUT_MS = 10_000;

/** Tells the control API, so that others need not wait for the deployment. Never throws. */
export async function giveUp(
  client: ControlApiClient,
  { project, id }: { project: string; id: string },
): Promise<Ending> {
  const path = apiPaths.abort(project, id);
  try {
    await client.call({
      method: 'POST',
      path,
      answer: deploymentSchema,
      timeoutMs: TIMEOUT_MS,
      mayRepeat: false,
    });
    return 'given-up';
  } catch (error) {
    return error instanceof ApiRefusalError && error.status === 409 ? 'complete' : 'unknown';
  }
}

/**
 * The failure of a deploy, with what is shown since: who pressed Ctrl-C, or lost the connection, while it was going live
 * must not be told that nothing happened when it did.
 */
export function afterGivingUp(
  error: unknown,
  { id, ending, signal }: { id: string; ending: Ending; signal: AbortSignal | undefined },
): unknown {
  const isInterrupted = signal?.aborted === true;
  if (ending === 'given-up') return isInterrupted ? interruptedBefore(error) : error;
  // Whoever refused knew the deployment: the refusal says it all.
  if (error instanceof ApiRefusalError) return error;
  const name = id.slice(0, 8);
  const known = error instanceof CliError ? error : undefined;
  const what = isInterrupted ? 'Interrupted.' : messageOf(error);
  return new CliError(
    isInterrupted ? 'INTERRUPTED' : (known?.code ?? 'INTERNAL'),
    ending === 'complete'
      ? `${what} The deployment ${name} was complete by then: its track shows it.`
      : `${what} Whether the deployment ${name} has gone live is not known.`,
    {
      exitCode: known?.exitCode ?? 1,
      hint:
        ending === 'complete'
          ? 'origan rollback shows again what was there before.'
          : 'origan deployments tells.',
      cause: error,
    },
  );
}

/** Ctrl-C before anything could go live. */
export function interruptedBefore(cause: unknown): CliError {
  return new CliError('INTERRUPTED', 'Interrupted; nothing shown was changed by this command.', { cause });
}
