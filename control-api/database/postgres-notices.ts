import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { messageOf } from '../../core/errors.ts';
import type { Closable } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';

const RECONNECT_MS = 1000;

export type Listening = {
  /** A plain identifier. */
  channel: string;
  onNotice: () => void;
  log: Logger;
};

/**
 * Calls back when a client notifies the channel. On a connection of its own, made anew when it breaks: what comes
 * meanwhile is missed, and behind a pooler that lends its connections everything is. A notice is a hint.
 */
export function hearNotices(url: string, listening: Listening): Closable {
  const closing = new AbortController();
  const done = (async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await hearUntilBroken(url, listening, closing.signal).catch((error: unknown) =>
        listening.log.debug({ error: messageOf(error) }, 'the database sends no notices for now'),
      );
      await pause(RECONNECT_MS, undefined, { ref: false, signal: closing.signal }).catch(() => undefined);
    }
  })();
  return {
    close: async () => {
      closing.abort();
      await done;
    },
  };
}

async function hearUntilBroken(
  url: string,
  { channel, onNotice }: Listening,
  signal: AbortSignal,
): Promise<void> {
  const client = new Client({ connectionString: url, keepAlive: true, application_name: 'origan-notices' });
  const broken = new Promise<void>((resolve, reject) => {
    client.once('error', reject).once('end', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  client.on('notification', onNotice);
  try {
    await Promise.race([client.connect().then(() => client.query(`listen ${channel}`)), broken]);
    await broken;
  } finally {
    // It has nothing more to say; whether it can still say goodbye matters to nobody.
    client.end().catch(() => undefined);
    client.on('error', () => undefined);
  }
}
