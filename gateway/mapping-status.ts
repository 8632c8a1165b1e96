import type { Answer, Exchange } from './exchange.ts';

const DETAIL = '; detail=stale-mapping';

/**
 * Says in Cache-Status (RFC 9211) that nobody could confirm what the host shows: there, and only there, availability comes
 * before freshness. A detail that is there already stays, since a parameter cannot be given twice.
 */
export function noteMapping({ event }: Exchange, answer: Answer): Answer {
  if (event.mapping !== 'stale') return answer;
  const headers = [...answer.headers];
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'cache-status');
  const value = headers[at + 1];
  if (at === -1 || value === undefined || value.includes('detail=')) return answer;
  return { ...answer, headers: headers.with(at + 1, value + DETAIL) };
}
