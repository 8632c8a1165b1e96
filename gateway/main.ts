import { runProgram } from '../core/lifecycle.ts';
import { createLogger } from '../core/log.ts';
import { createRegistry } from '../core/metrics.ts';
import { readGatewayConfig } from './config.ts';
import { startGateway } from './start-gateway.ts';

await runProgram(
  'gateway',
  async () => {
    const config = readGatewayConfig(process.env);
    const log = createLogger({ program: 'gateway', level: config.LOG_LEVEL, isBuffered: true });
    return startGateway(config, { log, registry: createRegistry({ withProcessMetrics: true }) });
  },
  { closeTimeoutMs: 60_000 },
);
