import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { probePeer } from '../core/probe-peer.ts';
import { makeTempDir } from '../test/support/temp-dir.ts';
import { FUNCTION_HOST, startFunctionGateway } from './support/function-gateway.ts';
import { listen, type Listening } from './support/listen.ts';
import { median, percentile } from './support/statistics.ts';

// How long an event takes from the function's write to the client, through the gateway and, in turns, without it; how long a
// call lives once its client has left; and, with --minutes, whether streams that run that long arrive whole under the limits
// that installations have. Function and client are this process, so that both sides read one clock.

const EVERY_MS = 50;

type Options = { streams: number; seconds: number; leaves: number; minutes: number };

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      streams: { type: 'string', default: '20' },
      seconds: { type: 'string', default: '10' },
      leaves: { type: 'string', default: '25' },
      // Streams that run this long; nothing else is measured then.
      minutes: { type: 'string', default: '0' },
      smoke: { type: 'boolean', default: false },
    },
  });
  return {
    streams: values.smoke ? 2 : Number(values.streams),
    seconds: values.smoke ? 1 : Number(values.seconds),
    leaves: values.smoke ? 2 : Number(values.leaves),
    minutes: Number(values.minutes),
  };
}

async function main(): Promise<void> {
  const options = readOptions();
  const directory = await makeTempDir('bench');
  const stops = new Map<string, () => void>();
  const runner = await listen(createServer({ requestTimeout: 0 }, (call, reply) => play(call, reply, stops)));
  const gateway = await startFunctionGateway({ directory: directory.path, runnerPort: runner.port });
  try {
    const isFine =
      options.minutes > 0
        ? await runLong(gateway.port, options.minutes)
        : (await measureEvents({ gateway, runner }, options)) &&
          (await measureLeaves(gateway, options, stops));
    process.exitCode = isFine ? 0 : 1;
  } finally {
    await gateway.close();
    await runner.close();
    await directory.remove();
  }
}

/** The function: what it does is said by the path and its query. */
function play(call: IncomingMessage, reply: ServerResponse, stops: Map<string, () => void>): void {
  const { pathname, searchParams } = new URL(call.url ?? '/', 'http://function');
  const stop = stops.get(call.url ?? '');
  // As the runner does: it looks whether its caller is there, also where nobody reads.
  const stopProbing = probePeer(call.socket);
  reply.once('close', () => {
    stopProbing();
    stop?.();
  });
  if (pathname === '/waits') return;
  if (pathname === '/reads') {
    call.resume();
    return;
  }
  if (pathname === '/echo') {
    reply.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    reply.flushHeaders();
    call.pipe(reply);
    return;
  }
  if (pathname !== '/events') return;
  const [everyMs, count] = ['every', 'count'].map((name) => Number(searchParams.get(name)));
  reply.writeHead(200, { 'Content-Type': 'text/event-stream' });
  // The head at once: the first event may be a while away.
  reply.flushHeaders();
  sendEvents(reply, everyMs ?? EVERY_MS, count ?? 0);
}

/** Each event carries the moment at which it was written. */
function sendEvents(reply: ServerResponse, everyMs: number, count: number): void {
  let sent = 0;
  const timer = setInterval(() => {
    reply.write(`data: ${performance.now()}\n\n`);
    sent += 1;
    if (sent < count) return;
    clearInterval(timer);
    reply.end();
  }, everyMs);
  reply.once('close', () => clearInterval(timer));
}

/** Reads a stream of events to its end; answers how late each was. */
async function readEvents(port: number, path: string): Promise<number[]> {
  const late: number[] = [];
  const reply = await open(port, path);
  let rest = '';
  for await (const chunk of reply) {
    const now = performance.now();
    const lines = (rest + String(chunk)).split('\n\n');
    rest = lines.pop() ?? '';
    for (const line of lines) late.push(now - Number(line.slice('data: '.length)));
  }
  return late;
}

async function open(port: number, path: string): Promise<IncomingMessage> {
  const call = request({ host: '127.0.0.1', port, path, headers: { host: FUNCTION_HOST }, agent: false });
  call.end();
  const [reply] = (await once(call, 'response')) as [IncomingMessage];
  if (reply.statusCode !== 200) throw new Error(`${path} answers ${reply.statusCode}`);
  return reply;
}

async function measureEvents(
  { gateway, runner }: { gateway: Listening; runner: Listening },
  { streams, seconds }: Options,
): Promise<boolean> {
  const count = Math.round((seconds * 1000) / EVERY_MS);
  const path = `/events?every=${EVERY_MS}&count=${count}`;
  const measure = async ({ port }: Listening): Promise<number[]> => {
    const all = await Promise.all(Array.from({ length: streams }, () => readEvents(port, path)));
    return all.flat();
  };
  await measure(gateway);
  print(`${streams} streams, an event every ${EVERY_MS} ms for ${seconds} s each, written to received:`);
  const direct = await measure(runner);
  const through = await measure(gateway);
  show('without', direct);
  show('gateway', through);
  const isWhole = through.length === streams * count;
  if (!isWhole) print(`${streams * count - through.length} events are missing`);
  return isWhole;
}

type Leave = {
  name: string;
  path: string;
  isReset?: boolean;
  begin: (socket: Socket, path: string) => Promise<void>;
};

const LEAVES: readonly Leave[] = [
  {
    name: 'while it waits for the answer',
    path: '/waits',
    begin: async (socket, path) => sendHead(socket, path),
  },
  {
    name: 'within the answer',
    path: `/events?every=${EVERY_MS}&count=1000`,
    begin: async (socket, path) => {
      sendHead(socket, path);
      await once(socket, 'data');
    },
  },
  {
    name: 'within an upload',
    path: '/reads',
    begin: async (socket, path) => {
      sendHead(socket, path, 'Content-Length: 1000000');
      socket.write(Buffer.alloc(1000));
    },
  },
  {
    name: 'within an upload of 2 MB that is not read',
    path: '/unread',
    begin: async (socket, path) => {
      sendHead(socket, path, 'Content-Length: 100000000');
      socket.write(Buffer.alloc(2_000_000));
    },
  },
  {
    name: 'by a reset within one of 50 MB, not read',
    path: '/unread-reset',
    isReset: true,
    begin: async (socket, path) => {
      sendHead(socket, path, 'Content-Length: 100000000');
      socket.write(Buffer.alloc(50_000_000));
    },
  },
];

function sendHead(socket: Socket, path: string, ...headers: string[]): void {
  const method = headers.length > 0 ? 'POST' : 'GET';
  socket.write([`${method} ${path} HTTP/1.1`, `Host: ${FUNCTION_HOST}`, ...headers, '', ''].join('\r\n'));
}

/** From the client's leaving to the end of the function's connection. */
async function measureLeaves(
  gateway: Listening,
  { leaves }: Options,
  stops: Map<string, () => void>,
): Promise<boolean> {
  print(`\nfrom a client's leaving to the end of the call, ${leaves} times each:`);
  for (const leave of LEAVES) {
    const times: number[] = [];
    for (let count = 0; count < leaves; count += 1)
      times.push(await measureLeave(gateway.port, leave, stops));
    show(leave.name, times);
  }
  return true;
}

let names = 0;

async function measureLeave(port: number, leave: Leave, stops: Map<string, () => void>): Promise<number> {
  names += 1;
  const path = `${leave.path}${leave.path.includes('?') ? '&' : '?'}name=${names}`;
  const stopped = new Promise<void>((resolve) => {
    stops.set(path, resolve);
  });
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  await leave.begin(socket, path);
  // What has been sent is on its way: the call is under way when it has arrived.
  await new Promise((resolve) => setTimeout(resolve, 250));
  const leftAt = performance.now();
  if (leave.isReset === true) socket.resetAndDestroy();
  else socket.destroy();
  await stopped;
  return performance.now() - leftAt;
}

/** Streams of three kinds under the default limits, none of which may cut them. */
async function runLong(port: number, minutes: number): Promise<boolean> {
  const lengthMs = minutes * 60_000;
  const kinds = [
    { name: 'an event every second', everyMs: 1000 },
    { name: 'an event every 90 seconds', everyMs: 90_000 },
  ];
  print(`streams of ${minutes} minutes, default limits:`);
  const streams = kinds.map(async ({ name, everyMs }) => {
    const count = Math.ceil(lengthMs / everyMs);
    const late = await readEvents(port, `/events?every=${everyMs}&count=${count}`).catch(() => []);
    if (late.length !== count) print(`  ${name}: CUT`);
    else show(name, late);
    return late.length === count;
  });
  const echo = echoSlowly(port, lengthMs)
    .catch(() => false)
    .then((isWhole) => {
      print(`  both ways, a byte every 20 seconds: ${isWhole ? 'whole' : 'CUT'}`);
      return isWhole;
    });
  const isWhole = (await Promise.all([...streams, echo])).every(Boolean);
  print(isWhole ? 'all of them arrived whole' : 'NOT all of them arrived whole');
  return isWhole;
}

async function echoSlowly(port: number, lengthMs: number): Promise<boolean> {
  const count = Math.ceil(lengthMs / 20_000);
  const call = request({
    host: '127.0.0.1',
    port,
    path: '/echo',
    method: 'POST',
    headers: { host: FUNCTION_HOST },
  });
  let sent = 0;
  const timer = setInterval(() => {
    call.write('x');
    sent += 1;
    if (sent < count) return;
    clearInterval(timer);
    call.end();
  }, 20_000);
  call.flushHeaders();
  const [reply] = (await once(call, 'response')) as [IncomingMessage];
  let received = 0;
  for await (const chunk of reply) received += String(chunk).length;
  return received === count && reply.complete;
}

function show(name: string, times: readonly number[]): void {
  const values = [median(times), percentile(times, 0.99), percentile(times, 1)];
  const figures = values.map((ms) => ms.toFixed(1).padStart(7));
  const [middle, most, max] = figures;
  print(`  ${name.padEnd(44)} median${middle} ms   p99${most} ms   max${max} ms   (${times.length})`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
