import { isAlone, isPartial, type Asked } from './asked.ts';
import type { AskParts } from './keep-reply.ts';
import { asPlain } from './plain-call.ts';
import type { Found } from './response-store.ts';
import { fieldNames, unionOf, variantKey } from './vary.ts';

type Parts = Pick<AskParts, 'known' | 'hitForMiss' | 'clock'>;

/**
 * How the function is asked on behalf of a request. In the `safe` profile: for everybody, where it is known which headers count; with all that the client sent, where
 * nothing is known yet (a page for this client alone costs one call), or where asking for everybody brought nothing of late.
 */
export function wayOf({ known, hitForMiss, clock }: Parts, asked: Asked, found: Found | undefined): Asked {
  if (asked.reach.kind !== 'personal') return asked;
  const { key } = asked.address;
  const learnt = known.get(key);
  if (learnt === undefined && found === undefined) return asked;
  const isForAuthorized = found?.stored.isForAuthorized ?? learnt?.isForAuthorized ?? false;
  if (isAlone(asked, { isForAuthorized })) return asked;
  // The function is asked with a HEAD as it came, conditions included.
  if (asked.exchange.method === 'HEAD' && isPartial(asked)) return asked;
  const names = unionOf(learnt?.names ?? [], fieldNames(found?.stored.varyNames ?? []));
  const plain = asPlain(asked, names);
  const nowMs = clock.nowMs();
  const isUnlikely = found === undefined && hitForMiss.has(key, nowMs);
  return isUnlikely || hitForMiss.has(plainKey(plain), nowMs) ? asked : plain;
}

/** Remembers that asking for everybody brought a response for nobody in particular: neither here, nor likely elsewhere at the address. */
export function markPlain({ hitForMiss, clock }: Parts, plain: Asked): void {
  const nowMs = clock.nowMs();
  hitForMiss.mark(plain.address.key, nowMs);
  hitForMiss.mark(plainKey(plain), nowMs);
}

/** What is asked for, for everybody. */
function plainKey({ address, selecting, reach }: Asked): string {
  return `${address.key}\n${variantKey(reach.kind === 'plain' ? reach.names : [], selecting)}`;
}
