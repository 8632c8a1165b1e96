import { createServer, type AddressInfo } from 'node:net';

/**
 * A port of the loopback that was free a moment ago: for programs that cannot listen on port 0. Whoever can,
 * should: between this answer and its use, another process may take the port.
 */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}
