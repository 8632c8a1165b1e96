import { tagOf, type Request, type Resource } from './oracle.ts';

type Headers = Record<string, string>;

/** Accept-Encoding; undefined: not sent. */
const ENCODINGS: readonly (string | undefined)[] = [
  undefined,
  '',
  'gzip, deflate, br, zstd',
  'gzip',
  'zstd;q=0.9, gzip;q=1.0',
  'br;q=0, *;q=0.5',
  'identity;q=0, br, gzip;q=0.1',
  'identity',
  '*;q=0',
];

const BEFORE = 'Mon, 01 Jan 2001 00:00:00 GMT';
const AFTER = 'Fri, 01 Jan 2100 00:00:00 GMT';

function conditionsFor(resource: Resource): Headers[] {
  const tag = (coding: 'identity' | 'br' | 'zstd' | 'gzip'): string => tagOf(resource, coding) ?? '"none"';
  const same = resource.lastModified ?? 'Wed, 01 Jan 2020 00:00:00 GMT';
  return [
    {},
    { 'if-none-match': tag('identity') },
    { 'if-none-match': tag('br') },
    { 'if-none-match': `W/${tag('gzip')}` },
    { 'if-none-match': `"other", ${tag('zstd')} ,W/${tag('identity')}` },
    { 'if-none-match': '*' },
    { 'if-none-match': '"other"' },
    { 'if-none-match': tag('identity').replaceAll('"', '') },
    { 'if-match': tag('identity') },
    { 'if-match': `"other", ${tag('br')}` },
    { 'if-match': `W/${tag('identity')}` },
    { 'if-match': '*' },
    { 'if-match': '"other"' },
    { 'if-modified-since': same },
    { 'if-modified-since': BEFORE },
    { 'if-modified-since': AFTER },
    { 'if-modified-since': 'yesterday' },
    { 'if-unmodified-since': same },
    { 'if-unmodified-since': BEFORE },
    { 'if-unmodified-since': '0' },
    { 'if-match': '*', 'if-none-match': tag('identity') },
    { 'if-match': tag('identity'), 'if-unmodified-since': BEFORE },
    { 'if-none-match': '"other"', 'if-modified-since': AFTER },
    { 'if-unmodified-since': BEFORE, 'if-modified-since': AFTER },
  ];
}

function rangesFor(resource: Resource): Headers[] {
  const size = resource.forms.identity.length;
  const tag = tagOf(resource, 'identity') ?? '"none"';
  return [
    {},
    { range: 'bytes=0-0' },
    { range: 'bytes=3-9' },
    { range: 'bytes=-7' },
    { range: 'bytes=-99999999999999999999999' },
    { range: 'bytes=10-' },
    { range: 'bytes=0-99999999999999999999999' },
    { range: `bytes=${size}-` },
    { range: 'bytes=-0' },
    { range: 'bytes=0-0,2-3' },
    { range: 'bytes=5-2' },
    { range: 'bytes=abc' },
    { range: 'items=0-1' },
    { range: 'bytes=1-4', 'if-range': tag },
    { range: 'bytes=1-4', 'if-range': tagOf(resource, 'br') ?? '"none-br"' },
    { range: 'bytes=1-4', 'if-range': `W/${tag}` },
    { range: 'bytes=1-4', 'if-range': resource.lastModified ?? BEFORE },
    { range: 'bytes=1-4', 'if-range': AFTER },
  ];
}

/** Every pair of encoding, condition and range, each with the third at its most usual values. */
export function casesFor(resource: Resource): Request[] {
  const conditions = conditionsFor(resource);
  const ranges = rangesFor(resource);
  const encodings = ENCODINGS.map((each): Headers => (each === undefined ? {} : { 'accept-encoding': each }));
  const usual = encodings.slice(0, 3);
  const combined = [
    ...product(encodings, conditions, [{}]),
    ...product(encodings, [{}], ranges),
    ...product(usual, conditions, ranges),
  ];
  const distinct = new Map(combined.map((headers) => [JSON.stringify(headers), headers]));
  const both = [...distinct.values()].flatMap((headers) => [
    { method: 'GET', headers },
    { method: 'HEAD', headers },
  ]);
  const others = ['OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'].flatMap((method) => [
    { method, headers: {} },
    { method, headers: { 'accept-encoding': 'br', 'if-none-match': '*', range: 'bytes=0-1' } },
  ]);
  return [...both, ...others];
}

function product(first: Headers[], second: Headers[], third: Headers[]): Headers[] {
  return first.flatMap((a) => second.flatMap((b) => third.map((c) => ({ ...a, ...b, ...c }))));
}
