import { FRESH, NOW, asking, fromCache, fromOrigin, group, maxAge, stored, storedAndAged } from './form.mjs';

// RFC 9111 sections 2 and 4.1.
const LASTING = [maxAge(4000), ['Last-Modified', -2000], NOW];
const RED = ['Colour', 'red'];
const BLUE = ['Colour', 'blue'];
const LARGE = ['Size', 'large'];
const ROUND = ['Shape', 'round'];

const varying = (vary, fields, more = {}) =>
  stored([...LASTING, ['Vary', vary, false]], { ...asking(...fields), ...more });
const same = (id, name, vary, [first, second]) => [
  id,
  'should',
  name,
  varying(vary, first),
  fromCache(asking(...second)),
];
const other = (id, name, vary, [first, second]) => [
  id,
  'must',
  name,
  varying(vary, first),
  fromOrigin(asking(...second)),
];
const THREE = 'Colour, Size, Shape';

const variants = group('vary', 'Variants (RFC 9111 section 4.1)', [
  same('vary-match', 'the same value', 'Colour', [[RED], [RED]]),
  other('vary-no-match', 'another value', 'Colour', [[RED], [BLUE]]),
  other('vary-omit-stored', 'it was absent, and is there', 'Colour', [[], [RED]]),
  other('vary-omit', 'it was there, and is absent', 'Colour', [[RED], []]),
  [
    'vary-invalidate',
    'should',
    'one variant does not displace another',
    varying('Colour', [RED], { response_body: 'in red' }),
    varying('Colour', [BLUE], { expected_type: 'not_cached', response_body: 'in blue' }),
    fromCache({ ...asking(RED), response_body: 'in red' }),
  ],
  same('vary-cache-key', 'what Vary does not name does not matter', 'Colour', [
    [RED, LARGE],
    [RED, ['Size', 'small']],
  ]),
  same('vary-2-match', 'two values, both the same', 'Colour, Size', [
    [RED, LARGE],
    [RED, LARGE],
  ]),
  other('vary-2-no-match', 'two values, one another', 'Colour, Size', [
    [RED, LARGE],
    [BLUE, LARGE],
  ]),
  other('vary-2-match-omit', 'two values, both absent now', 'Colour, Size', [[RED, LARGE], []]),
  same('vary-3-match', 'three values, all the same', THREE, [
    [RED, LARGE, ROUND],
    [RED, LARGE, ROUND],
  ]),
  other('vary-3-no-match', 'three values, one another', THREE, [
    [RED, LARGE, ROUND],
    [BLUE, LARGE, ROUND],
  ]),
  other('vary-3-order', 'another value, in another order', THREE, [
    [RED, LARGE, ROUND],
    [RED, ROUND, ['Size', 'larger']],
  ]),
  same('vary-3-omit', 'one of three absent both times', THREE, [
    [RED, ROUND],
    [RED, ROUND],
  ]),
]);

const normalised = (id, name, [field, first, ...second], ...more) => [
  `vary-normalise-${id}`,
  'should',
  name,
  stored([...LASTING, ['Vary', field], ...more], asking([field, first])),
  fromCache(asking(...second.map((value) => [field, value]))),
];

const normal = group('vary-normal', 'What may be normalised', [
  normalised('combine', 'two lines are one list (RFC 9110 section 5.2)', [
    'Colour',
    'red, blue',
    'red',
    'blue',
  ]),
  normalised('space', 'space around members means nothing', ['Colour', 'red,blue', ' red, blue ']),
  normalised('lang-order', 'languages of one weight in another order', [
    'Accept-Language',
    'en, de',
    'de, en',
  ]),
  normalised('lang-case', 'languages in capitals', ['Accept-Language', 'en, de', 'eN, De']),
  normalised('lang-space', 'languages with space between', ['Accept-Language', 'en, de', ' en ,   de']),
  normalised(
    'lang-select',
    'the language that the client prefers is the one that is stored',
    ['Accept-Language', 'en, de', 'fr;q=0.4, de;q=1.0'],
    ['Content-Language', 'de'],
  ),
]);

/** Anything that has a star never matches. */
const star = (id, ...lines) => [
  id,
  'must',
  `Vary: ${lines.join(' | ')}`,
  stored([...LASTING, ...lines.map((line) => ['Vary', line, false])], asking(RED, LARGE)),
  fromOrigin(asking(RED, LARGE)),
];

const stars = group('vary-star', 'Vary: *', [
  star('vary-star', '*'),
  star('vary-syntax-star', '*'),
  star('vary-syntax-star-star', '*, *'),
  star('vary-syntax-star-star-lines', '*', '*'),
  star('vary-syntax-empty-star', ', *'),
  star('vary-syntax-empty-star-lines', '', '*'),
  star('vary-syntax-star-foo', '*, Colour'),
  star('vary-syntax-foo-star', 'Colour, *'),
]);

const queried = (query) => ({ query_arg: query });
const queries = group('query', 'Queries', [
  [
    'query-args-different',
    'must',
    'another query is another resource',
    storedAndAged(FRESH, queried('page=1')),
    fromOrigin(queried('page=2')),
  ],
  [
    'query-args-same',
    'should',
    'the same query is the same',
    storedAndAged(FRESH, queried('page=1')),
    fromCache(queried('page=1')),
  ],
]);

export const selecting = [variants, normal, stars, queries];
