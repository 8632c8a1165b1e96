import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

// The least that Node can do: one constant answer, for whatever is asked. What the gateway is measured against.
const body = Buffer.alloc(Number(process.argv[2] ?? 1024), 'x');
const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length };

const server = createServer((_, response) => {
  response.writeHead(200, headers);
  response.end(body);
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listens on ${(server.address() as AddressInfo).port}\n`);
});
