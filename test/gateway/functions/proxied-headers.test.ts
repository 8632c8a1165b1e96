import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exchangeRaw } from '../../support/raw-http.ts';
import { DEPLOYMENT_ID, HOST, startEdge, type TestEdge } from '../../support/start-edge.ts';

let edge: TestEdge;
let behindProxies: TestEdge;
let runner: Server;
let last: { method: string; url: string; raw: [string, string][] };
let reply: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  runner = createServer((request, response) => {
    const raw: [string, string][] = [];
    for (let index = 0; index < request.rawHeaders.length; index += 2) {
      raw.push([request.rawHeaders[index]?.toLowerCase() ?? '', request.rawHeaders[index + 1] ?? '']);
    }
    last = { method: request.method ?? '', url: request.url ?? '', raw };
    request.resume();
    reply(request, response);
  });
  await new Promise<void>((resolve) => {
    runner.listen(0, '127.0.0.1', resolve);
  });
  const runnerUrl = `http://127.0.0.1:${(runner.address() as AddressInfo).port}`;
  edge = await startEdge({ runnerUrl });
  behindProxies = await startEdge({ runnerUrl, trustedProxies: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'] });
});

afterAll(async () => {
  await edge.close();
  await behindProxies.close();
  runner.close();
});

type Reply = Awaited<ReturnType<typeof exchangeRaw>>;

async function send(lines: string[], options: { line?: string; through?: TestEdge } = {}): Promise<Reply> {
  const { line = 'GET /f HTTP/1.1', through = edge } = options;
  return exchangeRaw(through.port, [line, `Host: ${HOST}`, ...lines, '', ''].join('\r\n'));
}

const answerOk = (): void => {
  reply = (_request, response) => response.end('ok');
};
const received = (name: string): string[] =>
  last.raw.filter(([each]) => each === name).map(([, value]) => value);

test('target, query and method reach the function byte for byte', async () => {
  answerOk();
  const target = "/f/%41%2Fb/c;p=1/(x)!*'?a=1&a=2&b=%zz&&=?#".slice(0, -1);
  await send([], { line: `PATCH ${target} HTTP/1.1` });
  expect(last).toMatchObject({ method: 'PATCH', url: target });
  await send([], { line: `GET http://${HOST}?only=query HTTP/1.1` });
  expect(last.url).toBe('/?only=query');
  await send([], { line: 'GET /f? HTTP/1.1' });
  expect(last.url).toBe('/f?');
});

test('end-to-end headers pass in order and repeated; hop-by-hop ones and all that Connection names do not', async () => {
  answerOk();
  await send([
    'Accept: text/html',
    'X-Twice: 1',
    'X-Twice: 2',
    'Cookie: a=1',
    'Cookie: b=2',
    'Authorization: Bearer t',
    'Connection: keep-alive, X-Private, Keep-Alive',
    'Connection: x-also , TE',
    'X-Private: 1',
    'X-Also: 1',
    'Keep-Alive: timeout=5',
    'Proxy-Authorization: Basic x',
    'Proxy-Connection: keep-alive',
    'Proxy-Authenticate: Basic',
    'Proxy-Made-Up: 1',
    'TE: trailers, deflate;q=0.5',
    'Trailer: X-T',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
  ]);
  expect(received('x-twice')).toEqual(['1', '2']);
  expect(received('cookie')).toEqual(['a=1', 'b=2']);
  expect(received('authorization')).toEqual(['Bearer t']);
  expect(received('accept')).toEqual(['text/html']);
  expect(received('te')).toEqual(['trailers']);
  for (const name of ['x-private', 'x-also', 'keep-alive', 'proxy-authorization', 'proxy-connection']) {
    expect(received(name)).toEqual([]);
  }
  for (const name of [
    'proxy-authenticate',
    'proxy-made-up',
    'trailer',
    'upgrade',
    'http2-settings',
    'transfer-encoding',
  ]) {
    expect(received(name)).toEqual([]);
  }
});

test('Connection cannot take away what frames or routes the message', async () => {
  answerOk();
  const head = ['Connection: host, content-length', 'Content-Length: 3'];
  await exchangeRaw(edge.port, ['POST /f HTTP/1.1', `Host: ${HOST}`, ...head, '', 'abc'].join('\r\n'));
  expect(received('host')).toEqual([HOST]);
  expect(received('content-length')).toEqual(['3']);
});

test('platform headers of a client are removed, in any case and with underscores', async () => {
  answerOk();
  await send([
    'X-Origan-Deployment-Id: evil',
    'x-origan-function-path: deployments/other/x.js',
    'X-ORIGAN-METADATA: evil',
    'X_Origan_Project_Id: evil',
    'X-Origan-Made-Up: evil',
  ]);
  expect(received('x-origan-deployment-id')).toEqual([DEPLOYMENT_ID]);
  expect(received('x-origan-project-id')).toEqual(['project-1']);
  expect(received('x-origan-function-path')).toEqual([`deployments/${DEPLOYMENT_ID}/functions/all.js`]);
  expect(last.raw.some(([, value]) => value.includes('evil'))).toBe(false);
});

test('platform headers of the runner do not reach the client, but for the id of the request', async () => {
  reply = (_request, response) => {
    response.writeHead(200, { 'X-Origan-Secret': 's', 'x-origan-request-id': 'forged', 'X-Fine': '1' });
    response.end();
  };
  const answer = await send([]);
  expect(answer.all('x-origan-secret')).toEqual([]);
  expect(answer.header('x-origan-request-id')).toBe(received('x-origan-request-id')[0]);
  expect(answer.header('x-fine')).toBe('1');
});

test('the answer: several Set-Cookie stay several, hop-by-hop headers go, Via is appended', async () => {
  reply = (request) => {
    const head = [
      'HTTP/1.1 200 OK',
      'Set-Cookie: a=1',
      'Set-Cookie: b=2; Path=/',
      'Via: 1.0 inner',
      'Connection: keep-alive, X-Hop',
      'X-Hop: 1',
      'Keep-Alive: timeout=5',
      'Proxy-Authenticate: Basic',
      'Upgrade: h2c',
      'Trailer: X-T',
      'Date: Mon, 01 Jan 2024 00:00:00 GMT',
      'Transfer-Encoding: chunked',
      '',
      '2\r\nok\r\n0\r\nX-T: 1\r\n\r\n',
    ];
    request.socket.end(head.join('\r\n'));
  };
  const answer = await send([]);
  expect(answer.all('set-cookie')).toEqual(['a=1', 'b=2; Path=/']);
  expect(answer.all('via')).toEqual(['1.0 inner', '1.1 origan-edge']);
  expect(answer.header('date')).toBe('Mon, 01 Jan 2024 00:00:00 GMT');
  for (const name of ['x-hop', 'proxy-authenticate', 'upgrade', 'trailer', 'x-t']) {
    expect(answer.all(name)).toEqual([]);
  }
  expect(answer.text).toBe('ok');
  expect(answer.isComplete).toBe(true);
});

test('Via is appended towards the function, with the version that was spoken', async () => {
  answerOk();
  await send(['Via: 1.1 outer']);
  expect(received('via')).toEqual(['1.1 outer', '1.1 origan-edge']);
  await send([], { line: 'GET /f HTTP/1.0' });
  expect(received('via')).toEqual(['1.0 origan-edge']);
});

test.each([301, 302, 303, 307, 308])('a redirect %i is passed on, not followed', async (status) => {
  reply = (_request, response) =>
    response.writeHead(status, { Location: 'http://127.0.0.1:1/elsewhere' }).end();
  const answer = await send([]);
  expect(answer.status).toBe(status);
  expect(answer.header('location')).toBe('http://127.0.0.1:1/elsewhere');
});

test.each([400, 404, 418, 500, 502, 503, 599])(
  'an error %i of the application passes untouched',
  async (status) => {
    reply = (_request, response) => {
      response.writeHead(status, { 'Content-Type': 'application/problem+json', 'X-Own': '1' });
      response.end('{"own":"error"}');
    };
    const answer = await send(['Accept: text/html']);
    expect(answer.status).toBe(status);
    expect(answer.text).toBe('{"own":"error"}');
    expect(answer.header('content-type')).toBe('application/problem+json');
    expect(answer.header('x-own')).toBe('1');
  },
);

test('there is exactly one Content-Type', async () => {
  reply = (_request, response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  expect((await send([])).all('content-type')).toEqual(['application/json']);
});

test('Host and X-Forwarded-* say what the client asked for; what it claims itself does not count', async () => {
  answerOk();
  await send([
    'X-Forwarded-For: 6.6.6.6',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil.test',
    'X-Forwarded-Port: 1',
    'X-Real-IP: 6.6.6.6',
    'Forwarded: for=6.6.6.6;host=evil.test;proto=https',
  ]);
  expect(received('host')).toEqual([HOST]);
  expect(received('x-forwarded-for')).toEqual(['127.0.0.1']);
  expect(received('x-forwarded-proto')).toEqual(['http']);
  expect(received('x-forwarded-host')).toEqual([HOST]);
  expect(received('forwarded')).toEqual([`for=127.0.0.1;host="${HOST}";proto=http`]);
  expect(received('x-forwarded-port')).toEqual([]);
  expect(received('x-real-ip')).toEqual([]);
});

const CHAINS: [name: string, lines: string[], client: string, extra: { proto?: string; host?: string }][] = [
  ['one address', ['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-Proto: https'], '6.6.6.6', { proto: 'https' }],
  ['the last one not trusted counts', ['X-Forwarded-For: 1.1.1.1, 6.6.6.6, 10.1.2.3'], '6.6.6.6', {}],
  ['several lines', ['X-Forwarded-For: 1.1.1.1', 'X-Forwarded-For: 6.6.6.6,10.9.9.9'], '6.6.6.6', {}],
  ['all trusted: the first', ['X-Forwarded-For: 10.0.0.1, 10.0.0.2'], '10.0.0.1', {}],
  ['garbage ends the walk', ['X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.2'], '10.0.0.2', {}],
  ['garbage alone', ['X-Forwarded-For: <script>'], '127.0.0.1', {}],
  ['with ports', ['X-Forwarded-For: 6.6.6.6:4711, 10.0.0.2:80'], '6.6.6.6', {}],
  ['IPv6', ['X-Forwarded-For: 2001:db8::1, fd00::5'], '2001:db8::1', {}],
  ['IPv6 with port', ['X-Forwarded-For: [2001:db8::1]:99'], '2001:db8::1', {}],
  ['IPv4 in IPv6', ['X-Forwarded-For: 6.6.6.6, ::ffff:10.0.0.3'], '6.6.6.6', {}],
  ['another protocol', ['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-Proto: gopher'], '6.6.6.6', {}],
  [
    'another host',
    ['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-Host: WWW.Public.test'],
    '6.6.6.6',
    { host: 'www.public.test' },
  ],
  ['a host that is none', ['X-Forwarded-Host: a"b'], '127.0.0.1', {}],
  [
    'Forwarded',
    ['Forwarded: for=1.1.1.1, for="6.6.6.6:80";proto=https;host=pub.test'],
    '6.6.6.6',
    { proto: 'https', host: 'pub.test' },
  ],
  ['Forwarded with IPv6', ['Forwarded: for="[2001:db8::1]:80", For=10.0.0.1'], '2001:db8::1', {}],
  ['Forwarded, hidden', ['Forwarded: for=6.6.6.6, for=_hidden, for=10.0.0.1'], '10.0.0.1', {}],
  ['Forwarded, quoted comma', ['Forwarded: for="6.6.6.6";ext="a, for=1.1.1.1"'], '6.6.6.6', {}],
  ['both: the usual one', ['X-Forwarded-For: 6.6.6.6', 'Forwarded: for=1.1.1.1'], '6.6.6.6', {}],
];

test.each(CHAINS)(
  'behind trusted proxies: %s',
  async (_name, lines, client, { proto = 'http', host = HOST }) => {
    answerOk();
    await send(lines, { through: behindProxies });
    expect(received('x-forwarded-for')).toEqual([client]);
    expect(received('x-forwarded-proto')).toEqual([proto]);
    expect(received('x-forwarded-host')).toEqual([host]);
    const node = client.includes(':') ? `"[${client}]"` : client;
    expect(received('forwarded')).toEqual([`for=${node};host="${host}";proto=${proto}`]);
    expect(received('host')).toEqual([HOST]);
  },
);

// However a reader decodes the path, it must not come out as the runner's own endpoint.
const INTERNAL = [
  '/__origan/log',
  '/__ORIGAN/log',
  '/__origan',
  '//__origan/log',
  '/%5f%5forigan/log',
  '/%5F%5Forigan%2Flog',
  '/__%6frigan/log',
  '/a/../__origan/log',
  '/a/%2e%2e/__origan/log',
  '/./__origan/log',
  '/__origan;x=1/log',
  '/%255f_origan/log',
];

test.each(INTERNAL)('the internal endpoint is out of reach: %s', async (path) => {
  answerOk();
  last = { method: '', url: '', raw: [] };
  const answer = await send(['Content-Length: 0'], { line: `POST ${path} HTTP/1.1` });
  // Some are cleaned up by a redirect before.
  expect([404, 308]).toContain(answer.status);
  expect(last.url).toBe('');
});

test("a path that only looks like it is the function's", async () => {
  answerOk();
  for (const path of [
    '/health',
    '/healthz',
    '/metrics',
    '/readyz',
    '/status',
    '/__origan-tools/x',
    '/origan/log',
  ]) {
    const answer = await send([], { line: `GET ${path} HTTP/1.1` });
    expect(answer.status).toBe(200);
    expect(last.url).toBe(path);
  }
});
