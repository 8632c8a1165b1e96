import cluster, { type Worker } from 'node:cluster';
import { parseListening, STOP, type Listening } from './messages.ts';

/** How a process ended: with a code, or by a signal. */
export type Exit = { code: number | null; signal: NodeJS.Signals | null };

/** A process that serves. */
export type ServingProcess = {
  slot: number;
  pid: number | undefined;
  /** Where it listens; undefined when it ended before it did. */
  listening: Promise<Listening | undefined>;
  exited: Promise<Exit>;
  /** Lets it finish what runs; resolves when it has ended. */
  stop(): Promise<void>;
};

/** Starts this program once more; it shares the ports of its siblings. */
export function startServingProcess(slot: number, environment: Record<string, string>): ServingProcess {
  const worker = cluster.fork(environment);
  const exited = new Promise<Exit>((resolve) => {
    worker.once('exit', (code: number | null, signal: NodeJS.Signals | null) => resolve({ code, signal }));
  });
  return {
    slot,
    pid: worker.process.pid,
    listening: Promise.race([heardListening(worker), exited.then(() => undefined)]),
    exited,
    stop: async () => {
      // A failure to send means that it is ending already.
      if (worker.isConnected()) worker.send(STOP, () => {});
      await exited;
    },
  };
}

function heardListening(worker: Worker): Promise<Listening> {
  return new Promise((resolve) => {
    const onMessage = (message: unknown): void => {
      const listening = parseListening(message);
      if (listening === undefined) return;
      worker.off('message', onMessage);
      resolve(listening);
    };
    worker.on('message', onMessage);
  });
}
