import { expect, test } from 'vitest';
import { cleanUpAfterEach, request, setUp } from '../../support/play-runner.ts';
import { exchangeRaw, openRaw } from '../../support/raw-http.ts';
import { readRequestHead } from '../../support/socket-server.ts';

cleanUpAfterEach();

const BREAKS: [name: string, version: string, answer: string][] = [
  ['fewer bytes than announced', '1.1', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'],
  ['no last chunk', '1.1', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
  ['in the middle of a chunk', '1.1', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf'],
  ['a malformed chunk', '1.1', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n'],
  ['announced, to HTTP/1.0', '1.0', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'],
  ['not announced, to HTTP/1.0', '1.0', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
];

test.each(BREAKS)(
  'an answer that breaks off is broken for the client: %s',
  async (_name, version, answer) => {
    let cut: (() => void) | undefined;
    const { edge } = await setUp(async (socket) => {
      await readRequestHead(socket);
      socket.write(answer);
      cut = () => socket.destroy();
    });
    const client = await openRaw(edge.port);
    client.send(request(`GET /half HTTP/${version}`));
    await client.received('half');
    cut?.();
    const got = await client.response();
    expect(got.status).toBe(200);
    expect(got.text.startsWith('half')).toBe(true);
    expect(got.isComplete && !client.wasReset()).toBe(false);
    const record = await edge.recordOfPath('/half');
    expect(record).toMatchObject({ status: 200, isAborted: true, error: 'RUNNER_BROKE_OFF' });
  },
);

test.each([
  ['closes without a word', ''],
  ['closes within the head', 'HTTP/1.1 200 OK\r\nContent-'],
  ['says something else', 'NOT HTTP\r\n\r\n'],
  ['says a status that is none', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['says a status below all', 'HTTP/1.1 099 OK\r\n\r\n'],
  [
    'switches protocols unasked',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  ],
  ['says two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  [
    'says both lengths',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
])('a runner that %s is 502', async (_name, answer) => {
  const { edge } = await setUp(async (socket) => {
    await readRequestHead(socket);
    socket.end(answer);
  });
  const got = await exchangeRaw(edge.port, request('POST /x HTTP/1.1', ['Content-Length: 0']));
  expect(got.status).toBe(502);
  expect(got.text).toContain('RUNNER_BROKE_OFF');
  expect(got.isClosed).toBe(false);
});
