import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call as the function saw it. */
export type SeenCall = { method: string; url: string; headers: IncomingMessage['headers'] };

export type PlayedFunction = {
  url: string;
  /** Every call, in the order of arrival. */
  calls: SeenCall[];
  /** Calls that are being answered right now. */
  underWay(): number;
  /** Calls of one path, query included. */
  callsOf(url: string): SeenCall[];
  close(): Promise<void>;
};

type Play = (request: IncomingMessage, response: ServerResponse) => unknown;

/** A runner whose function does what the test says; `play` may be async and answers when it likes. */
export async function playFunction(play: Play): Promise<PlayedFunction> {
  const calls: SeenCall[] = [];
  let underWay = 0;
  const server = createServer((request, response) => {
    calls.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    underWay += 1;
    // Real time means nothing to an edge whose clock is moved by hand.
    response.sendDate = false;
    response.once('close', () => {
      underWay -= 1;
    });
    void (async () => play(request, response))().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    underWay: () => underWay,
    callsOf: (url) => calls.filter((call) => call.url === url),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
