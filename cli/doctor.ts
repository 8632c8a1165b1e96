/** What one check found. */
export type Finding = {
  check: string;
  state: 'ok' | 'warning' | 'wrong' | 'skipped';
  detail: string;
  /** What mends it. */
  fix?: string | undefined;
};

export const ok = (check: string, detail: string): Finding => ({ check, state: 'ok', detail });
export const skipped = (check: string, detail: string): Finding => ({ check, state: 'skipped', detail });
export const warning = (check: string, detail: string, fix: string): Finding => ({
  check,
  state: 'warning',
  detail,
  fix,
});
export const wrong = (check: string, detail: string, fix: string): Finding => ({
  check,
  state: 'wrong',
  detail,
  fix,
});

/** A check that throws has found something wrong too. */
export async function runCheck(
  check: string,
  fix: string,
  work: () => Promise<Finding | Finding[]>,
): Promise<Finding[]> {
  try {
    return [await work()].flat();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    const hint =
      error instanceof Error && 'hint' in error && typeof error.hint === 'string' ? error.hint : fix;
    return [wrong(check, detail, hint)];
  }
}
