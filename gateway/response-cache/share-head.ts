import type { HeaderList } from '../../runner-client/runner-client.ts';
import { isPartial, type Asked } from './asked.ts';
import type { Landing } from './collapse.ts';
import { judge } from './judge.ts';
import { markersOf, type Received } from './keep-reply.ts';
import { variantKey } from './vary.ts';

/** Calls with HEAD are shared among themselves: one cannot stand in for GET, whose answer has a body. */
export function flightKeyOf(variant: string, { exchange: { method } }: Asked): string {
  return method === 'HEAD' ? `${variant}\nHEAD` : variant;
}

/** Whether a call of this request may be waited for by others. */
export function mayBeginFlight(asked: Asked): boolean {
  // The function is asked with a HEAD as it came: what it answers to conditions is for who has set them.
  return asked.exchange.method === 'GET' || !isPartial(asked);
}

/**
 * What the reply to a HEAD is for those who wait with one: theirs, if a shared cache could store what it describes, and
 * nothing has changed it since it was asked for.
 */
export async function landHead(received: Received, headers: HeaderList): Promise<Landing> {
  const { parts, asked, flight, snapshot, reply, times } = received;
  const { status } = reply;
  const judgement = judge(asked, { status, headers, ...times });
  const { verdict, varyNames } = judgement;
  if (verdict.kind === 'refuse') return { kind: 'unshareable' };
  if (flight.waiters > 0 && snapshot !== undefined) {
    // Who comes while this is found out begins anew: for him the answer would be too old.
    parts.flights.letNobodyJoin(asked.address.key);
    const markers = await markersOf(parts, snapshot, judgement);
    if (markers === undefined || (await parts.store.isPurged({ markers }))) return { kind: 'purged' };
  }
  const { headers: selecting } = asked.selecting;
  return {
    kind: 'described',
    status,
    headers: verdict.headers,
    varyNames,
    variant: variantKey(varyNames, selecting, asked.profile),
  };
}
