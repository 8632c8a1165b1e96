import { createMemoryServer, openCache, type MemoryServer } from '../cache/open-cache.ts';
import { describeFlip } from '../cli/report-deploy.ts';
import { startControlApi, type ControlApi } from '../control-api/start-control-api.ts';
import type { Environment } from '../core/env.ts';
import { closeAll, type Closable } from '../core/lifecycle.ts';
import { createLogger, type Logger } from '../core/log.ts';
import { createRegistry } from '../core/metrics.ts';
import { startGateway, type Gateway } from '../gateway/start-gateway.ts';
import { startRunner } from '../runner/start-runner.ts';
import { openStore } from '../store/open-store.ts';
import { readStandaloneConfig, type StandaloneConfig } from './config.ts';
import { deployExample } from './deploy-example.ts';
import { makeStateDirectories, standaloneEnvironment } from './environment.ts';
import { stepReporter, type Say, type Step } from './say.ts';

const EXAMPLE_HOST = 'demo.localhost';

/**
 * Starts control API, runner and gateway in this process, deploys the example site through the ordinary deploy code,
 * and prints where it answers. Every configuration is read before anything starts; a part that fails to start ends
 * those that run.
 */
export async function startStandalone(env: Environment, say: Say): Promise<Closable> {
  const environment = standaloneEnvironment(env);
  const config = readStandaloneConfig(environment);
  makeStateDirectories(environment);
  const log = createLogger({ program: 'origan', level: config.gateway.LOG_LEVEL });
  const started: Closable[] = [];
  const system: Starting = {
    config,
    log,
    started,
    step: stepReporter(say),
    memoryServer: createMemoryServer(),
  };
  try {
    const { controlApi, gateway } = await startParts(system);
    const { url: apiUrl, adminToken: token } = controlApi;
    const summary = await system.step('deploying examples/', () =>
      deployExample({ apiUrl, token, host: EXAMPLE_HOST }),
    );
    say(`  ${describeFlip(summary.result)}`);
    say(welcome(config, { controlApi, gateway }));
    return { close: () => closeAll(started, log) };
  } catch (error) {
    await closeAll(started, log);
    throw error;
  }
}

type Starting = {
  config: StandaloneConfig;
  log: Logger;
  started: Closable[];
  step: Step;
  memoryServer: MemoryServer;
};

type Parts = { controlApi: ControlApi; gateway: Gateway };

async function startParts({ config, log, started, step, memoryServer }: Starting): Promise<Parts> {
  const keep = <Part extends Closable>(part: Part): Part => {
    started.push(part);
    return part;
  };
  const store = keep(openStore(config.store, { log }));
  const registry = createRegistry();
  const cache = keep(openCache(config.cache, { log, registry, memoryServer }));
  await cache.connect();
  const controlApi = await step(
    'starting the control API (its database takes some seconds the first time)',
    () => startControlApi(config.controlApi, { log, registry, cache, store }),
  );
  keep(controlApi);
  keep(await step('starting the runner', () => startRunner(config.runner, { log, registry, cache, store })));
  const gateway = await step('starting the gateway', () =>
    startGateway(config.gateway, {
      log,
      registry: createRegistry({ withProcessMetrics: true }),
      memoryServer,
    }),
  );
  keep(gateway);
  return { controlApi, gateway };
}

function welcome(config: StandaloneConfig, { controlApi, gateway }: Parts): string {
  return [
    '',
    `  The example site   http://${EXAMPLE_HOST}:${gateway.port}/`,
    `  Control API        ${controlApi.url}`,
    `  Metrics            http://${config.gateway.GATEWAY_ADMIN_HOST}:${gateway.adminPort}/metrics`,
    `  State              ${config.controlApi.ORIGAN_STATE_DIR}`,
    '',
    '  Deploy a folder of your own:',
    '    npm run origan -- deploy DIR --project NAME --create --domain name.localhost',
    '  Follow what its functions print:',
    '    npm run origan -- logs -f -p NAME',
    '',
    '  Ctrl-C stops everything.',
  ].join('\n');
}
