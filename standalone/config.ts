import { z } from 'zod';
import { cacheFields, toCacheConfig, type CacheConfig } from '../cache/config.ts';
import { controlApiShape, type ControlApiConfig } from '../control-api/config.ts';
import { readEnvironment, type Environment } from '../core/env.ts';
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

const sharedShape = withStoreRules(z.object({ ...controlApiShape.shape, ...cacheFields, ...storeFields }));

/** Every part's configuration, read before anything starts. @throws ConfigError */
export function readStandaloneConfig(env: Environment): StandaloneConfig {
  const controlApi = readEnvironment('origan', sharedShape, env);
  return {
    controlApi,
    runner: readRunnerConfig(env),
    gateway: readGatewayConfig(env),
    cache: toCacheConfig(controlApi),
    store: toStoreConfig(controlApi),
  };
}
