import { Command } from 'commander';
import type { CacheSnapshot } from '../../cache/cache.ts';
import { keys } from '../../cache/keys.ts';
import type { Lookup } from '../../cache/lookup.ts';
import { readableKey } from '../cache-key.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { printResult, type CliContext, type CommonOptions } from '../context.ts';
import { bytes, duration } from '../format.ts';
import { withCache } from '../open-cli-cache.ts';
import { requireHost } from '../require-host.ts';
import { parseLimit } from './deployments.ts';
import { busy } from './cache-busy.ts';
import { purgeCommand } from './cache-purge.ts';
import { sweepCommand } from './cache-sweep.ts';

export function cacheCommand(context: CliContext): Command {
  return new Command('cache')
    .description('look into the shared cache and end what is in it (needs CACHE_URL, but for purge)')
    .addCommand(statsCommand(context))
    .addCommand(getCommand(context))
    .addCommand(keysCommand(context))
    .addCommand(purgeCommand(context))
    .addCommand(warmCommand(context))
    .addCommand(sweepCommand(context));
}

function statsCommand(context: CliContext): Command {
  return new Command('stats')
    .description('what the cache server says about itself')
    .action(async (_, command: Command) => {
      const flags = command.optsWithGlobals<CommonOptions>();
      const { state, gateways, server } = await withCache(context, (cache) => cache.snapshot());
      printResult(context, flags, { state, gateways, server }, () => describeStats({ gateways, server }));
    });
}

function describeStats({ gateways, server }: Pick<CacheSnapshot, 'gateways' | 'server'>): string {
  const rows: [string, string][] = [
    ['server', server?.software ?? 'unknown'],
    [
      'memory',
      `${size(server?.memoryUsedBytes)} of ${server?.memoryLimitBytes ? bytes(server.memoryLimitBytes) : 'no limit'}`,
    ],
    ['resident', size(server?.memoryResidentBytes)],
    ['evicts when full', server?.isEvicting === undefined ? 'unknown' : server.isEvicting ? 'yes' : 'no'],
    ['hits', hitRatio(server?.hits, server?.misses)],
    ['evicted keys', String(server?.evictedKeys ?? 'unknown')],
    ['expired keys', String(server?.expiredKeys ?? 'unknown')],
    ['clients', String(server?.connectedClients ?? 'unknown')],
    ['gateways', gateways === undefined ? 'unknown' : gateways.length === 0 ? 'none' : gateways.join(', ')],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

function size(number: number | undefined): string {
  return number === undefined ? 'unknown' : bytes(number);
}

function hitRatio(hits: number | undefined, misses: number | undefined): string {
  if (hits === undefined || misses === undefined || hits + misses === 0) return 'none yet';
  return `${((100 * hits) / (hits + misses)).toFixed(1)} % of ${(hits + misses).toLocaleString('en')} look-ups`;
}

function getCommand(context: CliContext): Command {
  return new Command('get')
    .description('show the value of a key; values of environment variables stay hidden')
    .argument('<key>', 'such as domain:www.example.com or deployment:ID:metadata')
    .action(async (name: string, _, command: Command) => {
      const { key, hide } = readableKey(name);
      const found = await withCache(context, (cache) => cache.get(key));
      if (found.kind === 'error') throw found.cause;
      if (found.kind === 'miss')
        throw new CliError('NOT_FOUND', `The cache has no ${name}.`, { exitCode: EXIT.notFound });
      const shown = found.kind === 'hit' ? { ...found, value: hide(found.value) } : found;
      const flags = command.optsWithGlobals<CommonOptions>();
      printResult(context, flags, { key: name, ...shown }, () => describeLookup(name, shown));
    });
}

function describeLookup(name: string, found: Lookup<unknown>): string {
  if (found.kind === 'hit') {
    const state = found.isStale ? ', stale' : '';
    return `${name}, ${duration(found.ageMs)} old${state}\n${JSON.stringify(found.value, null, 2)}\n`;
  }
  return found.kind === 'absent' ? `${name}: known not to exist, for ${duration(found.ageMs)}\n` : '';
}

function keysCommand(context: CliContext): Command {
  return new Command('keys')
    .description('list the names of keys; walks the server slowly, so that it does not notice')
    .argument('[pattern]', 'with *, such as domain:*', '*')
    .option('-n, --limit <number>', 'how many', parseLimit, 1000)
    .action(async (pattern: string, _, command: Command) => {
      const flags = command.optsWithGlobals<CommonOptions & { limit: number }>();
      const names = await listKeys(context, pattern, flags.limit);
      printResult(context, flags, { keys: names }, () => names.map((name) => `${name}\n`).join(''));
    });
}

/** The sweeper's walk, which removes nothing: it finds every key of the pattern to be one of those looked for. */
async function listKeys(context: CliContext, pattern: string, limit: number): Promise<string[]> {
  const enough = new AbortController();
  const names: string[] = [];
  const report = await withCache(context, (cache) =>
    cache.sweep({
      pattern,
      isDryRun: true,
      perSecond: 50_000,
      signal: AbortSignal.any([enough.signal, context.signal]),
      areOrphans: async (page) => {
        names.push(...page);
        if (names.length >= limit) enough.abort();
        return page.map(() => true);
      },
    }),
  );
  if (report.kind === 'busy') throw busy();
  if (report.kind === 'error' && !enough.signal.aborted) throw report.cause;
  return names.slice(0, limit).sort();
}

function warmCommand(context: CliContext): Command {
  return new Command('warm')
    .description('ask every gateway to read these hosts into its memory')
    .argument('<host...>')
    .action(async (hosts: string[], _, command: Command) => {
      const wanted = hosts.map((host) => keys.domain(requireHost(host)));
      const known = await withCache(context, async (cache) => {
        await cache.warmEverywhere(wanted);
        return (await cache.getMany(wanted)).filter(({ kind }) => kind === 'hit').length;
      });
      const result = { asked: wanted.length, inCache: known };
      printResult(
        context,
        command.optsWithGlobals(),
        result,
        () => `Every gateway was asked to warm ${wanted.length}; ${known} of them are in the shared cache.\n`,
      );
    });
}
