import { keys } from '../../cache/keys.ts';
import { openCache } from '../../cache/open-cache.ts';
import { configFor, silentParts } from '../cache/rigs.ts';

// A process of its own that asks for one cold key 200 times at once when told which, and says how many answers it got.
const [, , cacheUrl = '', sourceUrl = ''] = process.argv;
const cache = openCache(configFor(cacheUrl), silentParts());
await cache.connect();

process.on('message', (name: string) => void askAll(name));
process.on('disconnect', () => process.exit(0));
process.send?.('ready');

async function askAll(name: string): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: 200 }, () =>
      cache.getWithFallback(keys.userProjects(name), async (signal) => {
        const reply = await fetch(sourceUrl, { signal });
        return { kind: 'found', value: (await reply.json()) as string[] };
      }),
    ),
  );
  process.send?.(answers.filter((answer) => answer.kind === 'found').length);
}
