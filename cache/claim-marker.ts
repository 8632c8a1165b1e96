import { encodeHead } from './entry.ts';

/** The entry that stands for "nothing stored yet, somebody is loading it". */
export function claimMarker(
  claim: { token: string; nowMs: number; untilMs: number },
  incarnation: string,
): Buffer {
  const head = encodeHead({
    kind: 'claim',
    schemaVersion: 0,
    rev: 0,
    claim,
    writtenAtMs: claim.nowMs,
    freshUntilMs: 0,
    loadMs: 0,
    incarnation,
    nonce: '00000000',
  });
  return Buffer.from(head, 'latin1');
}
