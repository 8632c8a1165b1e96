const CONTRADICTS_ITSELF =
  "its 206 has five bytes where its Content-Range says six: which five is anybody's guess";

/** Required and optimal tests that do not pass, each with its reason. */
export const EXCEPTIONS: ReadonlyMap<string, string> = new Map([
  ['conditional-lm-fresh-no-lm', 'the response is newer than the date asked about (RFC 9111 section 4.3.2)'],
  ['partial-store-partial-reuse-partial', CONTRADICTS_ITSELF],
  ['partial-store-partial-reuse-partial-byterange', CONTRADICTS_ITSELF],
  ['partial-store-partial-reuse-partial-absent', CONTRADICTS_ITSELF],
  ['partial-store-partial-reuse-partial-suffix', CONTRADICTS_ITSELF],
  [
    'partial-store-partial-complete',
    'without a strong validator what lacks must not be put together with what is there (RFC 9111 section 3.4)',
  ],
]);

/** What two gateways do not do together, beside. */
export const EXCEPTIONS_OF_TWO: ReadonlyMap<string, string> = new Map([
  [
    'vary-normalise-lang-select',
    'the shared cache is asked for variants by the values that selected them, not by their language',
  ],
]);

/** "Does a cache …?", where the RFCs leave it open and the gateway does not. Every other check is answered with yes. */
export const ANSWERED_NO: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'freshness that does not parse means stale, and of several values the first counts (RFC 9111 section 4.2.1)',
    [
      'freshness-max-age-decimal-zero',
      'freshness-max-age-decimal-five',
      'freshness-max-age-a100',
      'freshness-max-age-100a',
      'freshness-max-age-two-stale-fresh-sameline',
      'freshness-max-age-two-stale-fresh-sepline',
    ],
  ],
  [
    'an Age that is no number of seconds is ignored (RFC 9111 section 5.1)',
    ['age-parse-parameter', 'age-parse-numeric-parameter'],
  ],
  ['keys of structured fields are lower case (RFC 9651 section 3.1.2)', ['cdn-max-age-case-insensitive']],
  ['an error that the function sends is the answer, unless stale-if-error allows another', ['stale-503']],
  ['Warning is obsolete (RFC 9111 section 5.5)', ['stale-warning-stored', 'stale-warning-become']],
  ['a tenth of so little time is over', ['heuristic-delta-5', 'heuristic-delta-10']],
  ['what arrives stale and cannot be validated is not stored', ['ccreq-max-stale-age']],
  [
    'no-store in a request is not about what is stored already (RFC 9111 section 5.2.1.5)',
    ['ccreq-no-store'],
  ],
  ['Pragma: no-cache is honoured (RFC 9111 section 5.4)', ['pragma-request-no-cache']],
  [
    'what is no entity tag neither matches nor validates, and is not mended (RFC 9110 section 8.8.3)',
    [
      'ccreq-no-cache-etag',
      'conditional-etag-quoted-respond-unquoted',
      'conditional-etag-unquoted-respond-unquoted',
      'conditional-etag-unquoted-respond-quoted',
      'conditional-etag-weak-respond-lowercase',
      'conditional-etag-weak-respond-backslash',
      'conditional-etag-weak-respond-omit-slash',
      'conditional-etag-strong-generate-unquoted',
      'conditional-etag-forward-unquoted',
    ],
  ],
  [
    'the origin of the suite sends the tag in UTF-8, its client asks for it in Latin-1: other bytes, another tag',
    ['conditional-etag-strong-respond-obs-text'],
  ],
  ['a tag of one variant is not asked about for another', ['conditional-etag-vary-headers-mismatch']],
  [
    'a 304 with another strong tag is about something else (RFC 9111 section 4.3.4)',
    ['304-etag-update-response-ETag'],
  ],
  [
    'HEAD of what is stale is answered by the function; another status says nothing of what is stored',
    ['head-200-retain', 'head-410-update'],
  ],
  ['a miss passes on the Age that it came with', ['other-age-delay']],
]);

/** Its lifetime is as long as the suite waits: either answer is right. */
export const UNDECIDED: ReadonlySet<string> = new Set(['heuristic-delta-30']);
