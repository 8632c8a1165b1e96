import type { Landing } from './collapse.ts';
import type { Judgement } from './judge.ts';
import { markersOf, selectedBy, type Received } from './keep-reply.ts';

/**
 * What the reply to a HEAD is for those who wait with one: theirs, if a shared cache could store what it describes, and
 * nothing has changed it since it was asked for.
 */
export async function landHead(received: Received, judgement: Judgement): Promise<Landing> {
  const { parts, asked, flight, snapshot, reply } = received;
  const { verdict } = judgement;
  if (verdict.kind === 'refuse') return { kind: 'unshareable' };
  if (flight.waiters > 0 && snapshot !== undefined) {
    // Who comes while this is found out begins anew: for him the answer would be too old.
    parts.flights.letNobodyJoin(asked.address.key);
    const markers = await markersOf(parts, snapshot, judgement);
    if (markers === undefined || (await parts.store.isPurged({ markers }))) return { kind: 'purged' };
  }
  const { headers } = verdict;
  return { kind: 'described', status: reply.status, headers, ...selectedBy(asked, judgement) };
}
