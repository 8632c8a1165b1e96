import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { ACL_DIRECTORY, ACL_FILE, DATA_DIRECTORY, dragonflyArguments, PORT } from './arguments.ts';
import { createNetworkPolicy } from './network-policy.ts';
import { planMemory } from '../quantity.ts';
import { aclFile } from './users.ts';

export type DragonflyOptions = {
  /** Memory limit of the container; three quarters of it are for data. Default `2Gi`. */
  memoryLimit?: string;
  /** CPU limit of the container; a thread for each whole core. Default `2`. */
  cpuLimit?: string;
  /** Keep snapshots on a volume, so that a restart begins warm. Default true. */
  persistence?: boolean;
  /** Size of that volume. Default `10Gi`. */
  storage?: string;
  /** Its class: name an encrypted one, since Dragonfly encrypts nothing at rest. Default: the cluster's. */
  storageClass?: string;
  /** When snapshots are made. Default every 30 minutes. */
  snapshotCron?: string;
  /** Image with version and digest. */
  image?: string;
  /** `CACHE_KEY_PREFIX` of the services. Default none. */
  keyPrefix?: string;
  /** Password of each service's user: gateway, runner, control-api. */
  passwords: pulumi.Input<Record<string, string>>;
  /** Labels of pods that may connect. Default `{ 'origan.dev/cache-client': 'true' }`. */
  clientLabels?: Record<string, string>;
  /** Labels of the namespace of Prometheus, which may scrape. Default: nobody. */
  monitoringNamespaceLabels?: Record<string, string>;
};

export type DragonflyCache = {
  statefulSet: k8s.apps.v1.StatefulSet;
  service: k8s.core.v1.Service;
  /** `CACHE_URL` of the services; user and password come beside it. */
  endpoint: pulumi.Output<string>;
};

export const DEFAULT_IMAGE = 'dragonflydb/dragonfly:v1.40.1';
export const DEFAULT_CLIENT_LABELS: Readonly<Record<string, string>> = { 'origan.dev/cache-client': 'true' };

/** The shared cache: one Dragonfly in a StatefulSet behind a Service of a fixed name, on a private network. */
export function createDragonflyCache(
  name: string,
  namespace: string,
  options: DragonflyOptions,
): DragonflyCache {
  const labels = { app: name };
  const users = createUsers(name, namespace, options);
  const statefulSet = new k8s.apps.v1.StatefulSet(`${name}-statefulset`, {
    metadata: { name, namespace, labels },
    spec: {
      serviceName: name,
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec(users, options) },
      ...volumeClaims(options),
    },
  });
  // A fixed name: an automatic one gets a suffix, and CACHE_URL would not resolve.
  const service = new k8s.core.v1.Service(`${name}-service`, {
    metadata: { name, namespace, labels },
    spec: { selector: labels, type: 'ClusterIP', ports: [{ name: 'redis', port: PORT, targetPort: PORT }] },
  });
  createNetworkPolicy(name, namespace, {
    clientLabels: options.clientLabels ?? DEFAULT_CLIENT_LABELS,
    monitoringNamespaceLabels: options.monitoringNamespaceLabels,
  });
  const endpoint = pulumi.interpolate`redis://${service.metadata.name}.${namespace}.svc:${PORT}`;
  return { statefulSet, service, endpoint };
}

function createUsers(name: string, namespace: string, options: DragonflyOptions): k8s.core.v1.Secret {
  const lines = pulumi.output(options.passwords).apply((passwords) => aclFile(passwords, options.keyPrefix));
  return new k8s.core.v1.Secret(`${name}-users`, {
    metadata: { name: `${name}-users`, namespace },
    stringData: { [ACL_FILE]: pulumi.secret(lines) },
  });
}

function podSpec(users: k8s.core.v1.Secret, options: DragonflyOptions): k8s.types.input.core.v1.PodSpec {
  return {
    // Variables that begin with DFLY_ are flags, and Kubernetes makes such ones for every Service in sight.
    enableServiceLinks: false,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 60,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 999,
      runAsGroup: 999,
      fsGroup: 999,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [container(options)],
    volumes: [
      { name: 'users', secret: { secretName: users.metadata.name, defaultMode: 0o440 } },
      ...((options.persistence ?? true) ? [] : [{ name: 'data', emptyDir: {} }]),
    ],
  };
}

function container(options: DragonflyOptions): k8s.types.input.core.v1.Container {
  const { memoryLimit = '2Gi', cpuLimit = '2', persistence = true } = options;
  const plan = planMemory(memoryLimit, cpuLimit);
  const { snapshotCron = '*/30 * * * *' } = options;
  return {
    name: 'dragonfly',
    image: options.image ?? DEFAULT_IMAGE,
    args: dragonflyArguments({ ...plan, isPersistent: persistence, snapshotCron }),
    ports: [{ name: 'redis', containerPort: PORT }],
    resources: {
      limits: { memory: memoryLimit, cpu: cpuLimit },
      // The same memory: a cache that is evicted from its node for having filled its memory helps nobody.
      requests: { memory: memoryLimit, cpu: '500m' },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'users', mountPath: ACL_DIRECTORY, readOnly: true },
      { name: 'data', mountPath: DATA_DIRECTORY },
    ],
    ...probes(),
  };
}

/**
 * /healthz says 503 while a snapshot loads; redis-cli exits with 0 then, and without a password. Loading may take
 * minutes, which the start-up probe allows: liveness must not end it half-way.
 */
function probes(): Pick<
  k8s.types.input.core.v1.Container,
  'startupProbe' | 'readinessProbe' | 'livenessProbe'
> {
  const httpGet = { path: '/healthz', port: PORT };
  return {
    startupProbe: { httpGet, periodSeconds: 5, failureThreshold: 120 },
    readinessProbe: { httpGet, periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 2 },
    livenessProbe: { tcpSocket: { port: PORT }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
  };
}

function volumeClaims(
  options: DragonflyOptions,
): Pick<k8s.types.input.apps.v1.StatefulSetSpec, 'volumeClaimTemplates'> {
  const { persistence = true, storage = '10Gi', storageClass } = options;
  if (!persistence) return {};
  return {
    volumeClaimTemplates: [
      {
        metadata: { name: 'data' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          resources: { requests: { storage } },
          ...(storageClass === undefined ? {} : { storageClassName: storageClass }),
        },
      },
    ],
  };
}
