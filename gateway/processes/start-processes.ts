import { startAdminServer, type AdminServer } from '../../core/admin-server.ts';
import { closeAll, type Closable } from '../../core/lifecycle.ts';
import type { Logger } from '../../core/log.ts';
import { counter, observedGauge, type Registry } from '../../core/metrics.ts';
import type { GatewayConfig } from '../config.ts';
import { askAny, metricsOfProcesses, statusOfProcesses } from './ask-processes.ts';
import { Slot, type KeepOptions } from './keep-running.ts';
import { startServingProcess } from './serving-process.ts';
import { environmentOfProcess } from './share-config.ts';

type Supervised = { slots: Slot[]; registry: Registry; isDraining: boolean };

/**
 * Starts `GATEWAY_PROCESSES` processes that share the gateway's ports, replaces any that ends unasked, and answers operators
 * for all of them. This process accepts connections and hands them round in turn; it never sees a request.
 *
 * @throws Error when a process cannot start (a port that is taken, a bucket that refuses), with nothing left running.
 */
export async function startProcesses(
  config: GatewayConfig,
  { log, registry }: { log: Logger; registry: Registry },
): Promise<Closable> {
  const slots: Slot[] = [];
  const keep: KeepOptions = {
    start: (slot) => startServingProcess(slot, environmentOfProcess(config, slot)),
    log,
    ends: countEnds(registry),
  };
  const closeSlots = async (): Promise<void> => void (await Promise.all(slots.map((slot) => slot.close())));
  try {
    // The first one alone: what is wrong with the start of one is wrong with all, and is to be said once.
    slots.push(await Slot.open(1, keep));
    const others = Array.from({ length: config.GATEWAY_PROCESSES - 1 }, (_, index) =>
      Slot.open(index + 2, keep),
    );
    const results = await Promise.allSettled(others);
    slots.push(...results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
    const failure = results.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    const supervised: Supervised = { slots, registry, isDraining: false };
    const admin = await startAdmin(config, supervised);
    log.info({ processes: slots.length, adminPort: admin.port }, 'gateway listens in several processes');
    return {
      close: async () => {
        supervised.isDraining = true;
        await closeAll([admin, { close: closeSlots }], log);
        log.flush();
      },
    };
  } catch (error) {
    await closeSlots();
    throw error;
  }
}

/** From zero, so that the first end is an increase for whoever watches. */
function countEnds(registry: Registry): KeepOptions['ends'] {
  const ends = counter({
    registry,
    name: 'origan_edge_process_ends_total',
    help: 'Serving processes that ended unasked, by how.',
    labels: ['how'] as const,
  });
  for (const how of ['exit', 'signal']) ends.inc({ how }, 0);
  return ends;
}

function startAdmin(config: GatewayConfig, supervised: Supervised): Promise<AdminServer> {
  const { slots, registry } = supervised;
  observedGauge({
    registry,
    name: 'origan_edge_processes',
    help: 'Serving processes that listen.',
    read: () => slots.filter(({ listening }) => listening !== undefined).length,
  });
  return startAdminServer({
    host: config.GATEWAY_ADMIN_HOST,
    port: config.GATEWAY_ADMIN_PORT,
    metrics: async () => metricsOfProcesses(slots, await registry.metrics()),
    status: async () => ({
      isReady: !supervised.isDraining && slots.some(({ listening }) => listening !== undefined),
      instance: config.GATEWAY_INSTANCE,
      processes: await statusOfProcesses(slots),
    }),
    addRoutes: (app) =>
      app.get('/explain', async ({ req }) => {
        const { search } = new URL(req.url);
        return (
          (await askAny(slots, `/explain${search}`)) ?? new Response('no process answers\n', { status: 503 })
        );
      }),
  });
}
