const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const FIFTY_YEARS = 50;

// RFC 9110 section 5.6.7. Matched without regard to case, as RFC 9111 section 4.2 asks of caches.
const MONTH = '(?<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)';
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)';
const DAY_NAME = '(?:mon|tue|wed|thu|fri|sat|sun)';
const LONG_DAY_NAME = '(?:mon|tues|wednes|thurs|fri|satur|sun)day';
const IMF_FIXDATE = new RegExp(`^${DAY_NAME}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} gmt$`, 'i');
const RFC_850 = new RegExp(`^${LONG_DAY_NAME}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} gmt$`, 'i');
const ASCTIME = new RegExp(`^${DAY_NAME} ${MONTH} (?<day>\\d\\d| \\d) ${TIME} (?<year>\\d{4})$`, 'i');

/**
 * Milliseconds since the epoch of an HTTP-date in any of its three forms; undefined for anything else: other zones,
 * one-digit hours or free-form dates, which `Date.parse` would take, are not dates of HTTP (RFC 9111 section 4.2).
 */
export function parseHttpDate(text: string, nowMs: number): number | undefined {
  const value = text.trim();
  const full = IMF_FIXDATE.exec(value) ?? ASCTIME.exec(value);
  if (full?.groups !== undefined) return toMs(full.groups, Number(full.groups['year']));
  const short = RFC_850.exec(value);
  if (short?.groups === undefined) return undefined;
  return toMs(short.groups, fullYear(Number(short.groups['year']), nowMs));
}

/** A two-digit year more than 50 years ahead lies in the past century (RFC 9110 section 5.6.7). */
function fullYear(twoDigits: number, nowMs: number): number {
  const thisYear = new Date(nowMs).getUTCFullYear();
  const candidate = thisYear - (thisYear % 100) + twoDigits;
  return candidate > thisYear + FIFTY_YEARS ? candidate - 100 : candidate;
}

function toMs(groups: Record<string, string>, year: number): number | undefined {
  const [day, hour, minute, second] = ['day', 'hour', 'minute', 'second'].map((name) => Number(groups[name]));
  const month = MONTHS.indexOf((groups['month'] ?? '').toLowerCase());
  if (day === undefined || hour === undefined || minute === undefined || second === undefined)
    return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const ms = Date.UTC(year, month, day, hour, minute, Math.min(second, 59));
  // 31 Feb would silently become 3 March.
  return new Date(ms).getUTCDate() === day ? ms : undefined;
}
