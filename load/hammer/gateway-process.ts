import type { Protections } from '../../cache/protections.ts';
import { runProgram } from '../../core/lifecycle.ts';
import { createLogger } from '../../core/log.ts';
import { createRegistry } from '../../core/metrics.ts';
import { readGatewayConfig } from '../../gateway/config.ts';
import { startGateway } from '../../gateway/start-gateway.ts';

// The gateway with a guard of coherence switched off, for the runs that prove that the hammer finds what it prevents.
await runProgram(
  'gateway',
  async () => {
    const config = readGatewayConfig(process.env);
    const log = createLogger({ program: 'gateway', level: config.LOG_LEVEL });
    const protections = JSON.parse(process.argv[2] ?? '') as Protections;
    return startGateway(config, { log, registry: createRegistry(), protections });
  },
  { closeTimeoutMs: 10_000 },
);
