import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { cleanUpAfterEach, readUntil, request, setUp } from '../../support/play-runner.ts';

cleanUpAfterEach();

/** Everything that comes until the text has come, byte for byte. */
async function receive(client: ReturnType<typeof connect>, wanted: string): Promise<string> {
  let received = Buffer.alloc(0);
  client.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
  while (!received.includes(wanted)) await once(client, 'data');
  return received.toString('latin1');
}

test('bytes of a header that are no ASCII pass as they are, with a head that goes out before its body', async () => {
  let finish = (): void => {};
  const { edge } = await setUp(async (socket) => {
    await readUntil(socket, '\r\n\r\n');
    socket.write(Buffer.from('HTTP/1.1 200 OK\r\nX-Name: M\xfcller\r\nContent-Length: 2\r\n\r\n', 'latin1'));
    await new Promise<void>((resolve) => (finish = resolve));
    socket.end('ok');
  });
  const client = connect(edge.port, '127.0.0.1');
  client.write(request('GET / HTTP/1.1', ['Connection: close']));
  const received = await receive(client, '\r\n\r\n');
  finish();
  await once(client, 'close');
  expect(received).toContain('X-Name: M\xfcller\r\n');
});

test('in the head of a tunnel and in early hints, too', async () => {
  const { edge } = await setUp(async (socket) => {
    const head = await readUntil(socket, '\r\n\r\n');
    const isUpgrade = head.startsWith('GET /tunnel');
    const hints =
      'HTTP/1.1 103 Early Hints\r\nLink: </M\xfcller>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    const tunnel =
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\nX-Name: M\xfcller\r\n\r\nhi';
    socket.write(Buffer.from(isUpgrade ? tunnel : hints, 'latin1'));
  });
  const upgraded = connect(edge.port, '127.0.0.1');
  upgraded.write(request('GET /tunnel HTTP/1.1', ['Connection: Upgrade', 'Upgrade: x']));
  expect(await receive(upgraded, '\r\n\r\nhi')).toContain('X-Name: M\xfcller\r\n');
  upgraded.destroy();
  const hinted = connect(edge.port, '127.0.0.1');
  hinted.write(request('GET / HTTP/1.1'));
  expect(await receive(hinted, '\r\n\r\nok')).toContain('Link: </M\xfcller>\r\n');
  hinted.destroy();
});
