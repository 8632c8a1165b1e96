import { once } from 'node:events';
import { createServer } from 'node:net';
import { z } from 'zod';
import { field, readEnvironment } from '../../../core/env.ts';
import { closeAll, runProgram, type Closable } from '../../../core/lifecycle.ts';
import { createLogger } from '../../../core/log.ts';

// Run by lifecycle.test.ts: a program that starts and stops as its argument says.
const [behaviour = '', port = '0'] = process.argv.slice(2);
const log = createLogger({ program: 'test', level: 'info' });

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function part(name: string, failure?: Error): Closable {
  return {
    close: async () => {
      if (failure !== undefined) throw failure;
      say(`closed ${name}`);
    },
  };
}

function program(parts: Closable[]): Closable {
  // Something must keep the process alive, as a server does.
  const alive = setInterval(() => undefined, 60_000);
  say('started');
  return {
    async close() {
      await closeAll(parts, log);
      clearInterval(alive);
    },
  };
}

async function listen(): Promise<Closable> {
  const server = createServer();
  server.listen(Number(port), '127.0.0.1');
  await once(server, 'listening');
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

const hanging: Closable = {
  close() {
    say('closing');
    setInterval(() => undefined, 60_000);
    return new Promise(() => undefined);
  },
};

const starts: Record<string, () => Promise<Closable>> = {
  orderly: async () => program([part('first'), part('second'), part('third')]),
  'one-fails-to-close': async () =>
    program([part('first'), part('second', new Error('stuck')), part('third')]),
  'close-fails': async () => ({ ...program([]), close: () => Promise.reject(new Error('could not close')) }),
  'close-hangs': async () => ({ ...program([]), ...hanging }),
  'close-hangs-long': async () => ({ ...program([]), ...hanging }),
  'start-fails': () => Promise.reject(new Error('nothing to serve')),
  'wrong-environment': async () => {
    const shape = z.object({ PORT: field.int(1, 1, 65_535), NAME: field.text() });
    readEnvironment('test', shape, { PORT: 'eighty' });
    return program([]);
  },
  listens: async () => program([await listen()]),
  'starts-slowly': async () => {
    say('starting');
    await once(process.stdin.resume(), 'end');
    return program([part('first')]);
  },
};

const start = starts[behaviour] ?? (() => Promise.reject(new Error(`unknown behaviour ${behaviour}`)));
// Short only where that it is over is looked at: a busy machine is to have time to close the parts.
await runProgram('test', start, { closeTimeoutMs: behaviour === 'close-hangs' ? 200 : 60_000 });
