import { ERRORS, toEdgeError } from '../../core/errors.ts';
import { toDatabaseError } from '../database/database.ts';
import { tallyQueries } from '../database/query-count.ts';
import type { Context } from '../context.ts';
import type { Call, Operation } from '../operations/operation.ts';

/** Runs an operation, recording how long it took and what came of it. */
export async function runObserved(context: Context, operation: Operation, call: Call): Promise<unknown> {
  const { metrics, clock, log } = context;
  const began = clock.monotonicMs();
  const record = (status: number): void => {
    const durationMs = clock.monotonicMs() - began;
    metrics.operations.observe({ operation: operation.name, status: String(status) }, durationMs / 1000);
    log.debug({ operation: operation.name, status, durationMs }, 'operation');
  };
  try {
    const answer = await tallyQueries(
      () => operation.run(context, call),
      (queries) => metrics.queries.inc({ operation: operation.name }, queries),
    );
    record(operation.status);
    return answer;
  } catch (error) {
    record(ERRORS[toEdgeError(toDatabaseError(error)).code].status);
    throw error;
  }
}
