const MONTHS = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec';
const MONTH_LIST = MONTHS.split('|');
const TIME = String.raw`(\d{2}):(\d{2}):(\d{2})`;

// RFC 9110 section 5.6.7: the preferred form, and the two obsolete ones that must be accepted.
const IMF_FIXDATE = new RegExp(
  `^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\\d{2}) (${MONTHS}) (\\d{4}) ${TIME} GMT$`,
);
const RFC850 = new RegExp(
  `^(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday), (\\d{2})-(${MONTHS})-(\\d{2}) ${TIME} GMT$`,
);
const ASCTIME = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (${MONTHS}) ([ \\d]\\d) ${TIME} (\\d{4})$`);

/** Milliseconds since the epoch of an HTTP-date, or undefined when it is none (RFC 9110 section 5.6.7). */
export function parseHttpDate(text: string, nowMs: number): number | undefined {
  const fixed = IMF_FIXDATE.exec(text);
  if (fixed !== null) {
    const [, day, month, year, ...time] = fixed;
    return utc({ year: Number(year), month, day, time });
  }
  const old = RFC850.exec(text);
  if (old !== null) {
    const [, day, month, year, ...time] = old;
    return utc({ year: fullYear(Number(year), nowMs), month, day, time });
  }
  const [, month, day, hour, minute, second, year] = ASCTIME.exec(text) ?? [];
  if (month === undefined) return undefined;
  return utc({ year: Number(year), month, day, time: [hour, minute, second] });
}

/** The preferred form (IMF-fixdate). */
export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

type Parts = {
  year: number;
  month: string | undefined;
  day: string | undefined;
  time: (string | undefined)[];
};

function utc({ year, month, day, time }: Parts): number | undefined {
  const [hour = 0, minute = 0, second = 0] = time.map(Number);
  // 60 is a leap second.
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const dayOfMonth = Number(day);
  const ms = Date.UTC(year, MONTH_LIST.indexOf(month ?? ''), dayOfMonth, hour, minute, second);
  return second === 60 || new Date(ms).getUTCDate() === dayOfMonth ? ms : undefined;
}

/** RFC 9110 section 5.6.7: a two-digit year more than 50 years ahead is the last one with those digits. */
function fullYear(twoDigits: number, nowMs: number): number {
  const thisYear = new Date(nowMs).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}
