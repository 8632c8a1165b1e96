import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { defaultCacheConfig, parseCacheUrl } from '../../cache/config.ts';
import { createClient } from '../../cache/redis/clients.ts';
import { startCacheServer } from '../support/cache-server.ts';
import { freePort } from '../support/free-port.ts';
import { makeCertificates } from '../support/make-certificates.ts';
import { makeTempDir } from '../support/temp-dir.ts';

it('a socket that fails twice, as one with a certificate that is not trusted may, ends no process', async () => {
  const directory = await makeTempDir('tls');
  const { ca, cert, key } = makeCertificates(directory.path, 'localhost');
  const port = await freePort();
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca];
  const server = await startCacheServer({
    kind: 'redis',
    args: ['--tls-port', String(port), '--tls-auth-clients', 'no', ...files],
  });
  const target = parseCacheUrl(`rediss://localhost:${port}`);
  if (target?.kind !== 'server') throw new Error('this is a URL of a server');
  const client = createClient(defaultCacheConfig({ target }), target, 'test', 'commands');
  if (!(client instanceof Redis)) throw new Error('there is one server');
  client.on('error', () => undefined);
  try {
    client.connect().catch(() => undefined);
    await new Promise<void>((resolve) => void client.once('close', () => resolve()));
    // What Node does with an alert of the server that is read after the certificate was refused.
    expect(client.stream.emit('error', new Error('tlsv1 alert decode error'))).toBe(true);
  } finally {
    client.disconnect();
    await server.close();
    await directory.remove();
  }
});
