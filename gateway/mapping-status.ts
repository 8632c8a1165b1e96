import type { Answer } from './exchange.ts';
import type { RequestEvent } from './record.ts';

const EDGE = 'origan-edge';
const DETAIL = 'last-known-good';

/**
 * Says in Cache-Status (RFC 9211), whatever the answer is, that nobody could confirm what the host shows: there, and only
 * there, availability comes before freshness. A parameter cannot be given twice: a detail that is there already is
 * joined to it by a plus sign.
 */
export function noteMapping({ mapping }: Pick<RequestEvent, 'mapping'>, answer: Answer): Answer {
  const at = mapping === 'last-known-good' ? indexOfOwnStatus(answer.headers) : -1;
  const status = answer.headers[at];
  if (status === undefined) return answer;
  const noted = /; detail=[^;,]*$/.test(status) ? `${status}+${DETAIL}` : `${status}; detail=${DETAIL}`;
  return { ...answer, headers: answer.headers.with(at, noted) };
}

/** Where this edge's own Cache-Status is: the last, as each cache adds to what those before it said. */
function indexOfOwnStatus(headers: Answer['headers']): number {
  for (let at = headers.length - 1; at > 0; at -= 2) {
    if (headers[at - 1]?.toLowerCase() === 'cache-status' && headers[at]?.startsWith(EDGE) === true)
      return at;
  }
  return -1;
}
