import { z } from 'zod';
import { cacheFields, toCacheConfig, type CacheConfig } from '../cache/config.ts';
import { controlApiShape, withControlApiRules, type ControlApiConfig } from '../control-api/config.ts';
import { ConfigError, readEnvironment, type Environment } from '../core/env.ts';
import { readGatewayConfig, type GatewayConfig } from '../gateway/config.ts';
import { readRunnerConfig, type RunnerConfig } from '../runner/config.ts';
import { storeFields, toStoreConfig, withStoreRules, type StoreConfig } from '../store/config.ts';

export type StandaloneConfig = {
  controlApi: ControlApiConfig;
  runner: RunnerConfig;
  gateway: GatewayConfig;
  cache: CacheConfig;
  store: StoreConfig;
};

const sharedShape = withControlApiRules(
  withStoreRules(z.object({ ...controlApiShape.shape, ...cacheFields, ...storeFields })),
);

/** Every part's configuration, read before anything starts. @throws ConfigError naming every wrong variable of all parts. */
export function readStandaloneConfig(env: Environment): StandaloneConfig {
  const problems = new Map<string, string>();
  const controlApi = collect(problems, () => readEnvironment('origan', sharedShape, env));
  const runner = collect(problems, () => readRunnerConfig(env));
  const gateway = collect(problems, () => readGatewayConfig(env));
  if (controlApi === undefined || runner === undefined || gateway === undefined) {
    throw new ConfigError('origan', [...problems.values()]);
  }
  return { controlApi, runner, gateway, cache: toCacheConfig(controlApi), store: toStoreConfig(controlApi) };
}

/** What is wrong by the name of the variable: several parts read some of them. */
function collect<Config>(problems: Map<string, string>, read: () => Config): Config | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) {
      const name = problem.slice(0, problem.indexOf(':'));
      if (!problems.has(name)) problems.set(name, problem);
    }
    return undefined;
  }
}
