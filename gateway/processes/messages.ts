import { z } from 'zod';

/** What a serving process tells the one that supervises it, once it listens. */
export type Listening = { kind: 'listening'; port: number; tlsPort?: number | undefined; adminPort: number };

/** What the supervising process asks of a serving one: take no new requests, finish what runs, end. */
export const STOP = 'stop';

const listening: z.ZodType<Listening> = z.object({
  kind: z.literal('listening'),
  port: z.int(),
  tlsPort: z.int().optional(),
  adminPort: z.int(),
});

/** Undefined for any other message on the channel: Node's own pass there, too. */
export function parseListening(message: unknown): Listening | undefined {
  return listening.safeParse(message).data;
}

/** Tells the supervising process, if there is one. */
export function tellListening({ port, tlsPort, adminPort }: Omit<Listening, 'kind'>): void {
  process.send?.({ kind: 'listening', port, tlsPort, adminPort } satisfies Listening);
}

/** Calls `stop` when the supervising process asks for it. */
export function onStopMessage(stop: () => void): void {
  process.on('message', (message) => {
    if (message === STOP) stop();
  });
}
