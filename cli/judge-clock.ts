import type { CliContext } from './context.ts';
import { ok, skipped, warning, type Finding } from './doctor.ts';
import { duration } from './format.ts';

// A Date header says whole seconds, and the answer took its time.
const MAX_SKEW_MS = 5000;

/** This machine's clock beside the Date header (RFC 9110 section 6.6.1) of an answer that has just come. */
export function judgeClock(
  { clock }: Pick<CliContext, 'clock'>,
  { check, whose, date }: { check: string; whose: string; date: string },
): Finding {
  const aheadMs = clock.nowMs() - Date.parse(date);
  if (!Number.isFinite(aheadMs)) return skipped(check, `${whose} sends no date`);
  return Math.abs(aheadMs) <= MAX_SKEW_MS
    ? ok(check, `agrees with ${whose}`)
    : warning(
        check,
        `this machine is ${duration(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} ${whose}`,
        'Switch on time synchronisation on both machines (timedatectl set-ntp true).',
      );
}
