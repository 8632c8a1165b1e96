/** Longer than any test may take: a wait that its test gave up on does not go on for ever. */
const LIMIT_MS = 10 * 60_000;

/** Resolves when the condition holds, looked at every few milliseconds; the test's own limit ends a wait in vain. */
export async function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endsMs = performance.now() + LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > endsMs) throw new Error('what was waited for did not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
