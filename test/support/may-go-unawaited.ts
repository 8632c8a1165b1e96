/**
 * The same promise, whose failure is no unhandled one: a test that has failed by then awaits its requests under way no more,
 * and is to be run once more, not to end the whole run. Whoever awaits it sees the failure as ever.
 */
export function mayGoUnawaited<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined);
  return promise;
}
