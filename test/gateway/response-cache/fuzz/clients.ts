import { randomFrom, type Random } from '../model/random.ts';

/** A client whose every header, name or value, carries a number that no other client uses, and an address of its own. */
export type Client = {
  mark: string;
  address: string;
  headers: Readonly<Record<string, string>>;
  kind?: string;
};

const FIRST_MARK = 700_000;
/** Finds the marks and addresses of clients in whatever a client receives. */
const TRACES = /7000\d\d|203\.0\.113\.\d+/g;

const ORDINARY: readonly ((mark: string) => Record<string, string>)[] = [
  (mark) => ({ cookie: `session=${mark}; theme=dark` }),
  (mark) => ({ 'user-agent': `Browser/${mark} (X11, Linux)` }),
  (mark) => ({ referer: `https://other.test/${mark}` }),
  (mark) => ({ 'accept-language': `de-x${mark}, en;q=0.5` }),
  (mark) => ({ accept: `text/html, application/x-${mark};q=0.3` }),
  (mark) => ({ 'accept-encoding': `gzip, br, x-${mark};q=0.1` }),
  (mark) => ({ origin: `https://${mark}.test` }),
  (mark) => ({ traceparent: `00-${mark}${'0'.repeat(26)}-0000000000000001-01` }),
  (mark) => ({ baggage: `user=${mark}` }),
  (mark) => ({ 'sec-ch-ua': `"Browser";v="${mark}"`, 'sec-fetch-mode': 'navigate' }),
  (mark) => ({ 'save-data': mark, dnt: '1' }),
  (mark) => ({ via: `1.1 proxy-${mark}` }),
  (mark) => ({ 'x-mode': mark }),
  (mark) => ({ [`x-${mark}`]: '1' }),
];

const TO_CACHES: readonly ((mark: string) => Record<string, string>)[] = [
  (mark) => ({ range: `bytes=0-${mark}` }),
  (mark) => ({ range: `bytes=10-20, ${mark}-` }),
  (mark) => ({ range: 'bytes=5-40', 'if-range': `"${mark}"` }),
  (mark) => ({ 'if-none-match': `"${mark}"` }),
  () => ({ 'if-none-match': '"always"' }),
  (mark) => ({ 'if-modified-since': `Sun, 06 Nov 1994 08:49:37 GMT ${mark}` }),
  (mark) => ({ 'cache-control': `max-stale=${mark}` }),
  (mark) => ({ 'cache-control': `no-cache, ext=${mark}` }),
  (mark) => ({ 'cache-control': `no-store, ext=${mark}` }),
  (mark) => ({ pragma: mark }),
];

const NOW_AND_THEN: readonly ((mark: string) => Record<string, string>)[] = [
  (mark) => ({ authorization: `Bearer ${mark}` }),
  (mark) => ({ te: 'trailers', 'x-te': mark }),
  (mark) => ({ 'x-original-url': `/${mark}`, 'x-forwarded-prefix': `/${mark}` }),
  (mark) => ({ 'x-forwarded-server': mark, 'x-real-ip': mark, 'x-origan-project-id': mark }),
  (mark) => ({ rsc: mark }),
];

/** Who says nothing but to caches, and sits behind one address with others. */
const NEIGHBOURS = 'behind one address';

/** Three kinds: those who send much, those who are told apart by their address alone, and those by what they say to caches. */
export function makeClients(count: number, seed: number): Client[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_each, index) => {
    const mark = String(FIRST_MARK + index);
    if (index % 5 === 1) return { mark, address: `203.0.113.${index}`, headers: {} };
    if (index % 5 === 2) return { mark, address: '203.0.113.200', headers: {}, kind: NEIGHBOURS };
    const chosen = ORDINARY.filter(() => random.chance(0.6)).map((make) => make(mark));
    return {
      mark,
      address: `203.0.113.${index}`,
      headers: Object.assign({}, ...chosen) as Client['headers'],
    };
  });
}

/** What a client sends this time: mostly what it always sends. */
export function headersOf({ mark, address, headers, kind }: Client, random: Random): Record<string, string> {
  const forwarded = { 'x-forwarded-for': address };
  if (kind === NEIGHBOURS) {
    return random.chance(0.5) ? forwarded : { ...random.pick(TO_CACHES)(mark), ...forwarded };
  }
  const more = random.chance(0.25) ? random.pick([...TO_CACHES, ...NOW_AND_THEN])(mark) : {};
  return { ...headers, ...more, ...forwarded };
}

/** Traces of others in what a client received. */
export function tracesOfOthers({ mark, address }: Client, received: string): string[] {
  return [...new Set(received.match(TRACES) ?? [])].filter((trace) => trace !== mark && trace !== address);
}
