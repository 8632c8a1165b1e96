import * as pulumi from '@pulumi/pulumi';
import { createDragonflyCache } from './src/cache/dragonfly.ts';

// pulumi config set --secret --path 'cachePasswords.gateway' "$(openssl rand -hex 32)", and so for runner, control-api.
const config = new pulumi.Config();

const cache = createDragonflyCache('origan-cache', config.get('namespace') ?? 'default', {
  memoryLimit: config.get('cacheMemory') ?? '4Gi',
  cpuLimit: config.get('cacheCpu') ?? '4',
  persistence: config.getBoolean('cachePersistence') ?? true,
  passwords: config.requireSecretObject<Record<string, string>>('cachePasswords'),
});

/** CACHE_URL of the services. */
export const cacheEndpoint: pulumi.Output<string> = cache.endpoint;
