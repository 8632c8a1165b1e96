import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { cleanUpAfterEach, readUntil, request, setUp } from '../../support/play-runner.ts';

cleanUpAfterEach();

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
  let received = Buffer.alloc(0);
  client.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
  while (!received.includes('\r\n\r\n')) await once(client, 'data');
  finish();
  await once(client, 'close');
  expect(received.toString('latin1')).toContain('X-Name: M\xfcller\r\n');
});
