import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Random } from '../model/random.ts';

const TAG = '"always"';
const SIZE = 4000;

/** What each kind of address says beside what it shows. */
const KINDS: Readonly<Record<string, (request: IncomingMessage) => OutgoingHttpHeaders>> = {
  open: () => ({}),
  revived: () => ({ 'Cache-Control': 's-maxage=3, stale-while-revalidate=30, stale-if-error=60' }),
  varies: () => ({ Vary: 'Accept-Language' }),
  // Names one header to some and another one to others.
  wavers: ({ headers }) => ({ Vary: headers['x-mode'] === undefined ? 'Cookie' : 'X-Mode, Cookie' }),
  // Says that it is for all to those alone whose cookie it likes.
  picks: ({ headers }) =>
    /[02468];/.test(headers.cookie ?? '') ? { 'Cache-Control': 'private' } : { Vary: 'Cookie' },
  encodes: ({ headers }) =>
    /br/.test(String(headers['accept-encoding'])) ? { 'Content-Encoding': 'br' } : {},
  allows: ({ headers }) =>
    headers.origin === undefined ? {} : { 'Access-Control-Allow-Origin': headers.origin },
  // Everybody's, with a validator that never changes, whatever it shows.
  constant: () => ({ 'Cache-Control': 's-maxage=1', ETag: TAG }),
  parts: () => ({ ETag: TAG, 'Accept-Ranges': 'bytes' }),
};

/** Addresses of each kind, some of which few come to. */
export function pickPath(number: number, random: Random): string {
  const kind = random.pick(Object.keys(KINDS));
  return random.chance(0.7) ? `/${kind}/${number}` : `/${kind}/${number}-${random.int(4)}`;
}

/**
 * The worst function there is: its answers consist of whatever reached it, the client's address included, and say that
 * everybody may have them.
 */
export function reflect(request: IncomingMessage, response: ServerResponse): void {
  const kind = request.url?.split('/')[1] ?? '';
  const own = KINDS[kind]?.(request) ?? {};
  const saw = JSON.stringify(request.rawHeaders.map((each) => each.replaceAll(/[^\x20-\x7e]/g, '?')));
  const headers = { 'Cache-Control': 's-maxage=10', 'X-Saw': saw, ...own };
  if (own['ETag'] !== undefined && request.headers['if-none-match'] === TAG) {
    response.writeHead(304, headers).end();
    return;
  }
  const whole = saw.padEnd(SIZE, '.').slice(0, SIZE);
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (kind !== 'parts' || first === undefined) {
    response.writeHead(200, headers).end(whole);
    return;
  }
  const end = last === undefined || last === '' ? SIZE - 1 : Math.min(Number(last), SIZE - 1);
  response.writeHead(206, { ...headers, 'Content-Range': `bytes ${first}-${end}/${SIZE}` });
  response.end(whole.slice(Number(first), end + 1));
}
