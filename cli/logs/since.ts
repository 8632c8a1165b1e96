import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `10m`, `2h`, `3d` before now, or a date: as ISO 8601. @throws InvalidArgumentError */
export function parseSince(text: string, nowMs: number): string {
  const [, number, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const timeMs =
    number === undefined ? Date.parse(text) : nowMs - Number(number) * (UNITS[unit] ?? Number.NaN);
  if (Number.isNaN(timeMs)) {
    throw new InvalidArgumentError(
      'It must be a time such as 10m, 2h or 1d, or a date such as 2026-01-31T08:00Z.',
    );
  }
  return new Date(timeMs).toISOString();
}
