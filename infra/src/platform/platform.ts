import type * as pulumi from '@pulumi/pulumi';
import { createDragonflyCache } from '../cache/dragonfly.ts';
import { createControlApi } from './control-api.ts';
import { createGateway } from './gateway.ts';
import { denyByDefault } from './network.ts';
import { createRunner } from './runner.ts';
import type { PlatformSettings } from './settings.ts';

const CACHE_NAME = 'origan-cache';

export type Platform = {
  /** `CACHE_URL` of the programs. */
  cacheEndpoint: pulumi.Output<string>;
  /** Where the domains of sites have to point. */
  gatewayAddress: pulumi.Output<string | undefined>;
};

/** Cache, control API, runners and gateways, in one namespace. Database and bucket are from outside. */
export function createPlatform(settings: PlatformSettings): Platform {
  const { namespace, cache, network, secrets } = settings;
  denyByDefault(namespace);
  const dragonfly = createDragonflyCache(CACHE_NAME, namespace, {
    memoryLimit: cache.memory,
    cpuLimit: cache.cpu,
    persistence: cache.persistence,
    passwords: secrets.cachePasswords,
    ...(cache.storageClass === undefined ? {} : { storageClass: cache.storageClass }),
    ...(network.monitoringNamespaceLabels === undefined
      ? {}
      : { monitoringNamespaceLabels: network.monitoringNamespaceLabels }),
  });
  const links = { cacheName: CACHE_NAME, cacheUrl: dragonfly.endpoint };
  const controlApiUrl = createControlApi(settings, links);
  const runnerUrls = createRunner(settings, links);
  const service = createGateway(settings, { ...links, controlApiUrl, runnerUrls });
  const gatewayAddress = service.status.apply((status) => {
    const [first] = status?.loadBalancer?.ingress ?? [];
    return first?.ip ?? first?.hostname;
  });
  return { cacheEndpoint: dragonfly.endpoint, gatewayAddress };
}
