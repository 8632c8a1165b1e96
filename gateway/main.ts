import cluster from 'node:cluster';
import { runProgram, type Closable } from '../core/lifecycle.ts';
import { createLogger } from '../core/log.ts';
import { createRegistry } from '../core/metrics.ts';
import { readGatewayConfig } from './config.ts';
import { onStopMessage, tellListening } from './processes/messages.ts';
import { startProcesses } from './processes/start-processes.ts';
import { startGateway } from './start-gateway.ts';

/** A process that supervises others gives them the time that they have themselves, and a little more. */
const closeTimeoutMs = cluster.isPrimary ? 65_000 : 60_000;

await runProgram('gateway', start, { closeTimeoutMs, onStopRequest: onStopMessage });

async function start(): Promise<Closable> {
  const config = readGatewayConfig(process.env);
  const log = createLogger({ program: 'gateway', level: config.LOG_LEVEL, isBuffered: true });
  if (config.GATEWAY_PROCESSES > 1) return startProcesses(config, { log, registry: createRegistry() });
  const gateway = await startGateway(config, { log, registry: createRegistry({ withProcessMetrics: true }) });
  tellListening(gateway);
  return gateway;
}
