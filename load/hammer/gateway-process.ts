import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { defaultCacheConfig } from '../../cache/config.ts';
import { keys } from '../../cache/keys.ts';
import type { Loaded } from '../../cache/lookup.ts';
import { openCache } from '../../cache/open-cache.ts';
import { parseSiteRecord, type SiteRecord } from '../../contracts/site.ts';
import { createLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import type { GatewayTask, Report } from './messages.ts';
import { sharedNowMs } from './oracle.ts';

const BATCH = 200;

// One gateway, as far as coherence is concerned: it answers which build a host shows, over and over, and reports
// what it answered and when it was asked.
const task = JSON.parse(process.argv[2] ?? '{}') as GatewayTask;
const agent = new Agent({ connections: 64, headersTimeout: 2000, bodyTimeout: 2000 });
const cache = openCache(defaultCacheConfig(task.config), {
  log: createLogger({ program: `gateway-${task.index}`, level: task.logLevel }),
  registry: createRegistry(),
  instance: `gateway-${task.index}`,
  holdsLease: true,
  protections: task.protections,
});

const running = { isOver: false };
const pending: Report[] = [];

process.on('message', (message) => {
  if (message === 'stop') running.isOver = true;
});
// The hammer is gone: nobody wants the answers any more.
process.on('disconnect', () => process.exit(0));

await cache.connect();
process.send?.('ready');
await Promise.all(Array.from({ length: task.callers }, () => ask()));
flush();
await cache.close();
await agent.close();
process.disconnect?.();

async function ask(): Promise<void> {
  while (!running.isOver) {
    await observe(Math.floor(Math.random() * task.hosts));
    // Between turns of the event loop, so that messages and timers get theirs.
    if (Math.random() < 0.1) await sleep(Math.random() * task.pauseMs);
  }
}

async function observe(host: number): Promise<void> {
  const startedAtMs = sharedNowMs();
  const key = keys.domain(`host-${host}.example`);
  const near = cache.peek(key);
  if (near !== undefined) return report([host, near.rev ?? 0, startedAtMs, 0]);
  const resolved = await cache.getWithFallback(key, (signal) => askControlApi(host, signal));
  switch (resolved.kind) {
    case 'found':
      return report([host, resolved.value.rev ?? 0, startedAtMs, resolved.isLastKnownGood ? 1 : 0]);
    case 'absent':
      return report([host, -1, startedAtMs, 0]);
    case 'failed':
      return report([host, -2, startedAtMs, 0]);
    default:
      return resolved satisfies never;
  }
}

async function askControlApi(host: number, signal: AbortSignal): Promise<Loaded<SiteRecord>> {
  const url = `${task.controlApiUrl}/${host}?gateway=${task.index}`;
  const reply = await request(url, { dispatcher: agent, signal });
  const parsed = parseSiteRecord(await reply.body.json());
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  return { kind: 'found', value: parsed.site };
}

function report(observation: Report): void {
  pending.push(observation);
  if (pending.length >= BATCH) flush();
}

function flush(): void {
  process.send?.(pending.splice(0));
}
