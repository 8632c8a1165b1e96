/** A targeted field (RFC 9213) of ours alone: it governs before the one for every CDN, and is taken off before the client. */
export const OWN_TARGETED_FIELD = 'origan-cdn-cache-control';

/** What functions say to the edge's cache alone: clients do not get it, whether anything is stored or not. */
export const FIELDS_FOR_THE_EDGE: ReadonlySet<string> = new Set([
  'cache-tag',
  'surrogate-key',
  OWN_TARGETED_FIELD,
]);
