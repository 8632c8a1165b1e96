import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type ListenOptions, type Server } from 'node:net';

/** Below what the kernel gives to whoever asks for port 0 or connects, wherever its range begins. */
const FIRST_PORT = 16_000;
const USUAL_EPHEMERAL_PORT = 32_768;
const ATTEMPTS = 1000;

/** Kept for as long as this process lives: each makes its port this process's own. */
const claims: Server[] = [];

/**
 * A port of the loopback for a program that cannot listen on port 0, or one on which nobody listens. No other test
 * gets it as long as this process lives, and nobody gets it by chance, not even while its program is being restarted.
 */
export async function freePort(): Promise<number> {
  const endPort = await firstEphemeralPort();
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * (endPort - FIRST_PORT));
    if ((await claim(port)) && (await isFree(port))) return port;
  }
  throw new Error(`no port from ${FIRST_PORT} to ${endPort} is free`);
}

/** A name that one process of the machine has at a time: an abstract socket, gone when the process is. Linux only. */
async function claim(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const server = await listen({ path: `\0origan-test-port-${port}` });
  if (server === undefined) return false;
  claims.push(server.unref());
  return true;
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen({ port, host: '127.0.0.1' });
  if (server === undefined) return false;
  server.close();
  await once(server, 'close');
  return true;
}

async function listen(options: ListenOptions): Promise<Server | undefined> {
  const server = createServer();
  try {
    server.listen(options);
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

async function firstEphemeralPort(): Promise<number> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '');
  const first = Number.parseInt(range, 10);
  return first > FIRST_PORT + ATTEMPTS ? first : USUAL_EPHEMERAL_PORT;
}
