import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { parseBytes, parseCores } from '../quantity.ts';
import { CONTROL_API_PORT, RUNNER_PORT, selectorOf } from './names.ts';
import { allowOnly, fromMonitoring, podsOf, tcp, toBucket, toCache, toDns } from './network.ts';
import { bucketEnv, createPodTemplate, ROLLING, type SecretEnv } from './program.ts';
import { cachePassword, type PlatformSettings } from './settings.ts';

const HTTP_PORT = 7777;
const TLS_PORT = 7778;
const ADMIN_PORT = 7779;
const TLS_DIRECTORY = '/etc/origan/tls';

const MIB = 1024 * 1024;
/** A serving process without what it caches: Node, near copies (CACHE_L1_MAX_BYTES), what is under way. */
const MIB_PER_PROCESS = 384;
/** Resident memory exceeds what the caches count; a container that reaches its limit is killed. */
const SHARE_FOR_CACHES = 0.75;
const SHARE_FOR_FILES = 0.8;
const LEAST_MIB = 128;

/** Load balancers look every few seconds whether a node has a gateway, and believe it after some looks. */
const LEAVE_SECONDS = 20;
const DRAIN_TIMEOUT_MS = 30_000;
/** The program's own limit (gateway/main.ts). */
const STOP_SECONDS = 65;

export type GatewayLinks = {
  cacheName: string;
  cacheUrl: pulumi.Input<string>;
  controlApiUrl: string;
  runnerUrls: readonly string[];
};
export type GatewayPlan = { processes: number; staticCacheBytes: number; responseCacheBytes: number };

/**
 * A serving process for each whole core, and of the memory beside them three quarters for files and responses.
 *
 * @throws when too little is left for these.
 */
export function planGateway({ cpu, memory }: { cpu: string; memory: string }): GatewayPlan {
  const processes = parseCores(cpu);
  const forCaches = (parseBytes(memory) / MIB - processes * MIB_PER_PROCESS) * SHARE_FOR_CACHES;
  if (forCaches < LEAST_MIB) {
    throw new Error(
      `a memory limit of ${memory} is too small for ${processes} processes of a gateway: about ${Math.ceil(processes * MIB_PER_PROCESS + LEAST_MIB / SHARE_FOR_CACHES)}Mi is the least`,
    );
  }
  const staticMib = Math.floor(forCaches * SHARE_FOR_FILES);
  return {
    processes,
    staticCacheBytes: staticMib * MIB,
    responseCacheBytes: Math.floor(forCaches - staticMib) * MIB,
  };
}

/** The edge: gateways behind a load balancer, more of them under load, each process with the memory planned for it. */
export function createGateway(settings: PlatformSettings, links: GatewayLinks): k8s.core.v1.Service {
  const { namespace, gateway } = settings;
  const name = 'origan-gateway';
  const labels = selectorOf('gateway');
  const deployment = new k8s.apps.v1.Deployment(`${name}-deployment`, {
    metadata: { name, namespace, labels },
    // No number of replicas: it is the autoscaler's.
    spec: { selector: { matchLabels: labels }, strategy: ROLLING, template: podTemplate(settings, links) },
  });
  new k8s.autoscaling.v2.HorizontalPodAutoscaler(`${name}-autoscaler`, {
    metadata: { name, namespace, labels },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: deployment.metadata.name },
      minReplicas: gateway.minReplicas,
      maxReplicas: gateway.maxReplicas,
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } },
        },
      ],
      // Each that goes takes a warm memory with it.
      behavior: { scaleDown: { stabilizationWindowSeconds: 600 } },
    },
  });
  allowOnly('gateway', {
    namespace,
    ingress: [{ ports: [tcp(HTTP_PORT), tcp(TLS_PORT)] }, ...fromMonitoring(settings.network, ADMIN_PORT)],
    egress: [
      toDns(settings.network),
      toCache(links.cacheName),
      { to: [podsOf('control-api')], ports: [tcp(CONTROL_API_PORT)] },
      { to: [podsOf('runner')], ports: [tcp(RUNNER_PORT)] },
      toBucket(settings.network),
    ],
  });
  return new k8s.core.v1.Service(`${name}-service`, {
    metadata: { name, namespace, labels, annotations: gateway.loadBalancerAnnotations },
    spec: {
      type: 'LoadBalancer',
      // Clients keep their addresses, which limits go by and functions are told; and no second hop.
      externalTrafficPolicy: 'Local',
      selector: labels,
      ports: [
        { name: 'http', port: 80, targetPort: HTTP_PORT },
        { name: 'https', port: 443, targetPort: TLS_PORT },
      ],
    },
  });
}

function podTemplate(
  settings: PlatformSettings,
  links: GatewayLinks,
): k8s.types.input.core.v1.PodTemplateSpec {
  const { gateway, secrets } = settings;
  const password = cachePassword(secrets, 'gateway');
  return createPodTemplate('gateway', settings, {
    cpu: gateway.cpu,
    memory: gateway.memory,
    env: environment(settings, links),
    secretEnv: pulumi
      .all([secrets.bucket, secrets.runnerSharedSecret, password])
      .apply(([bucket, RUNNER_SHARED_SECRET, CACHE_PASSWORD]): SecretEnv => ({
        ...bucketEnv(bucket),
        RUNNER_SHARED_SECRET,
        CACHE_PASSWORD,
      })),
    ports: [
      { name: 'http', containerPort: HTTP_PORT },
      { name: 'https', containerPort: TLS_PORT },
      { name: 'metrics', containerPort: ADMIN_PORT },
    ],
    probes: probes(),
    leaveSeconds: LEAVE_SECONDS,
    stopSeconds: STOP_SECONDS,
    scratch: { temporary: '64Mi', state: '64Mi' },
    volumes: tlsVolumes(gateway.tlsSecret),
  });
}

function environment(
  { deployDomain, gateway }: PlatformSettings,
  { cacheUrl, controlApiUrl, runnerUrls }: GatewayLinks,
): Record<string, pulumi.Input<string>> {
  const plan = planGateway(gateway);
  return {
    GATEWAY_PROCESSES: String(plan.processes),
    STATIC_CACHE_BYTES: String(plan.staticCacheBytes),
    RESPONSE_CACHE_BYTES: String(plan.responseCacheBytes),
    GATEWAY_PORT: String(HTTP_PORT),
    HAS_TLS_SERVER: 'true',
    GATEWAY_TLS_PORT: String(TLS_PORT),
    ...(gateway.tlsSecret === undefined
      ? {}
      : { TLS_CERT_FILE: `${TLS_DIRECTORY}/tls.crt`, TLS_KEY_FILE: `${TLS_DIRECTORY}/tls.key` }),
    GATEWAY_ADMIN_HOST: '0.0.0.0',
    GATEWAY_ADMIN_PORT: String(ADMIN_PORT),
    DRAIN_TIMEOUT_MS: String(DRAIN_TIMEOUT_MS),
    ...(gateway.trustedProxies.length === 0 ? {} : { TRUSTED_PROXIES: gateway.trustedProxies.join(',') }),
    ORIGAN_DEPLOY_DOMAIN: deployDomain,
    CONTROL_API_URL: controlApiUrl,
    RUNNER_URL: runnerUrls.join(','),
    CACHE_URL: cacheUrl,
    CACHE_USERNAME: 'gateway',
  };
}

function probes(): Pick<
  k8s.types.input.core.v1.Container,
  'startupProbe' | 'readinessProbe' | 'livenessProbe'
> {
  return {
    startupProbe: { httpGet: { path: '/readyz', port: ADMIN_PORT }, periodSeconds: 2, failureThreshold: 60 },
    readinessProbe: {
      httpGet: { path: '/readyz', port: ADMIN_PORT },
      periodSeconds: 5,
      timeoutSeconds: 2,
      failureThreshold: 2,
    },
    livenessProbe: {
      httpGet: { path: '/healthz', port: ADMIN_PORT },
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
  };
}

/** Read again when the Secret changes. */
function tlsVolumes(secretName: string | undefined): (k8s.types.input.core.v1.Volume & { mount: string })[] {
  if (secretName === undefined) return [];
  return [{ name: 'tls', mount: TLS_DIRECTORY, secret: { secretName, defaultMode: 0o440 } }];
}
