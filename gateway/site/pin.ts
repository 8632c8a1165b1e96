import type { IncomingHttpHeaders } from 'node:http';

// A page that was opened on one build goes on asking that build, whatever is deployed in the meantime (skew
// protection). Query and header have the names that frameworks send to Vercel, so that theirs work as they are.
export const PIN_QUERY = 'dpl';
export const PIN_HEADER = 'x-deployment-id';
export const PIN_COOKIE = '__origan_deployment';

/** A build that a request asks for, and how. */
export type Pin = { deploymentId: string; by: 'query' | 'header' | 'cookie' };

export type PinRequest = { search: string; headers: IncomingHttpHeaders };

/** The build that a request asks for, if it asks for one: by query, then header, then cookie. */
export function requestedPin({ search, headers }: PinRequest): Pin | undefined {
  const inQuery = search.includes(`${PIN_QUERY}=`) ? new URLSearchParams(search).get(PIN_QUERY) : null;
  if (inQuery !== null && inQuery !== '') return { deploymentId: inQuery, by: 'query' };
  const header = headers[PIN_HEADER];
  if (typeof header === 'string' && header !== '') return { deploymentId: header, by: 'header' };
  // A cookie is sent with everything: where the user goes next is to be the present build.
  const cookie = isNavigation(headers) ? undefined : pinCookie(headers.cookie);
  return cookie === undefined ? undefined : { deploymentId: cookie, by: 'cookie' };
}

export function pinCookie(cookies: string | undefined): string | undefined {
  if (cookies === undefined || !cookies.includes(PIN_COOKIE)) return undefined;
  const pair = cookies
    .split(';')
    .map((each) => each.trim())
    .find((each) => each.startsWith(`${PIN_COOKIE}=`));
  return pair?.slice(PIN_COOKIE.length + 1);
}

/** Whether a browser is about to show the answer as a page. */
export function isNavigation(headers: IncomingHttpHeaders): boolean {
  const mode = headers['sec-fetch-mode'];
  return mode === undefined ? (headers.accept ?? '').includes('text/html') : mode === 'navigate';
}
