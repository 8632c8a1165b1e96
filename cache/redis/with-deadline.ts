import { CacheFailure } from './failure.ts';

/** The promise's outcome, or a failure of kind `timeout` when it takes longer. */
export async function withDeadline<Value>(
  promise: Promise<Value>,
  timeoutMs: number,
  what: string,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new CacheFailure('timeout', `${what} timed out`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
