import type { HeaderList } from '../../runner-client/runner-client.ts';
import type { Answer, Exchange } from '../exchange.ts';
import { FIELDS_FOR_THE_EDGE } from '../functions/fields-for-the-edge.ts';
import { withoutFields } from '../header-fields.ts';
import { cacheStatusOf, type CacheStatus } from './cache-status.ts';

/** A reply as it comes: what a miss is answered with. Age and Date are the function's own. */
export function liveAnswer(
  exchange: Exchange,
  reply: { status: number; headers: HeaderList; body: Answer['body'] },
  cacheStatus: CacheStatus,
): Answer {
  const headers = withoutFields(reply.headers, FIELDS_FOR_THE_EDGE).flat();
  headers.push('Via', '1.1 origan-edge', 'Cache-Status', cacheStatusOf(cacheStatus));
  headers.push('X-Origan-Request-Id', exchange.id);
  return { status: reply.status, headers, body: reply.body };
}
