import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { parseBytes } from '../quantity.ts';
import { RUNNER_PORT, selectorOf } from './names.ts';
import { allowOnly, fromMonitoring, internet, podsOf, tcp, toBucket, toCache, toDns } from './network.ts';
import { bucketEnv, createPodTemplate, STATE_DIRECTORY, type SecretEnv } from './program.ts';
import { cachePassword, type PlatformSettings, type RunnerSettings } from './settings.ts';

const NAME = 'origan-runner';
const MIB = 1024 * 1024;
/** The supervisor, with what it carries to and fro. */
const SUPERVISOR_MIB = 768;
/** A function process before its functions' own memory. */
const PROCESS_MIB = 16;
const WORKERS_MIB = 2048;

/** Gateways call runners by name and go to another one when refused: there is little to wait for. */
const LEAVE_SECONDS = 5;
const DRAIN_TIMEOUT_MS = 30_000;
/** The program's own limit (runner/main.ts). */
const STOP_SECONDS = 60;

/**
 * How many function processes fit, each with its memory in full. More would do most of the time, but the kubelet ends the
 * whole container when its memory is used up, not the process that took too much.
 *
 * @throws when not even two do.
 */
export function planRunner({
  memory,
  functionMemoryMb,
}: Pick<RunnerSettings, 'memory' | 'functionMemoryMb'>): {
  maxProcesses: number;
} {
  const free = parseBytes(memory) / MIB - SUPERVISOR_MIB;
  const maxProcesses = Math.floor(free / (functionMemoryMb + PROCESS_MIB));
  if (maxProcesses >= 2) return { maxProcesses };
  throw new Error(
    `a memory limit of ${memory} is too small for a runner whose functions have ${functionMemoryMb} MiB each`,
  );
}

/**
 * The runners. A StatefulSet, since each has to have a name: gateways spread deployments over the runners by hash, so that
 * a function is warm where its next call goes, which one address for all would undo. Answers their URLs.
 */
export function createRunner(
  settings: PlatformSettings,
  { cacheName, cacheUrl }: { cacheName: string; cacheUrl: pulumi.Input<string> },
): readonly string[] {
  const { namespace, runner, network } = settings;
  const labels = selectorOf('runner');
  new k8s.core.v1.Service(`${NAME}-service`, {
    metadata: { name: NAME, namespace, labels },
    spec: {
      clusterIP: 'None',
      selector: labels,
      ports: [{ name: 'metrics', port: RUNNER_PORT, targetPort: RUNNER_PORT }],
    },
  });
  new k8s.apps.v1.StatefulSet(`${NAME}-statefulset`, {
    metadata: { name: NAME, namespace, labels },
    spec: {
      serviceName: NAME,
      replicas: runner.replicas,
      // They know nothing of each other.
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: labels },
      template: podTemplate(settings, cacheUrl),
    },
  });
  allowOnly('runner', {
    namespace,
    ingress: [
      { from: [podsOf('gateway')], ports: [tcp(RUNNER_PORT)] },
      ...fromMonitoring(network, RUNNER_PORT),
    ],
    egress: [
      toDns(network),
      // For the runner itself. Functions share its pod, and a policy cannot tell them apart: FUNCTION_NETWORK_ALLOW keeps
      // them off these two, and the cache asks for a password besides.
      toCache(cacheName),
      toBucket(network),
      { to: internet(network) },
    ],
  });
  return Array.from(
    { length: runner.replicas },
    (_, index) => `http://${NAME}-${index}.${NAME}.${namespace}.svc:${RUNNER_PORT}`,
  );
}

function podTemplate(
  settings: PlatformSettings,
  cacheUrl: pulumi.Input<string>,
): k8s.types.input.core.v1.PodTemplateSpec {
  const { runner, secrets } = settings;
  const password = cachePassword(secrets, 'runner');
  const httpGet = { path: '/health', port: RUNNER_PORT };
  return createPodTemplate('runner', settings, {
    cpu: runner.cpu,
    memory: runner.memory,
    env: environment(settings, cacheUrl),
    secretEnv: pulumi
      .all([secrets.bucket, secrets.runnerSharedSecret, secrets.environmentKey, password])
      .apply(([bucket, RUNNER_SHARED_SECRET, ENVIRONMENT_KEY, CACHE_PASSWORD]): SecretEnv => ({
        ...bucketEnv(bucket),
        RUNNER_SHARED_SECRET,
        ENVIRONMENT_KEY,
        CACHE_PASSWORD,
      })),
    ports: [{ name: 'metrics', containerPort: RUNNER_PORT }],
    probes: {
      startupProbe: { httpGet, periodSeconds: 2, failureThreshold: 60 },
      readinessProbe: { httpGet, periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 2 },
      // Not /health, which refuses while it drains.
      livenessProbe: {
        tcpSocket: { port: RUNNER_PORT },
        periodSeconds: 10,
        timeoutSeconds: 5,
        failureThreshold: 6,
      },
    },
    leaveSeconds: LEAVE_SECONDS,
    stopSeconds: STOP_SECONDS,
    // Room for what is being written while the oldest is not yet removed.
    scratch: { temporary: '256Mi', state: `${WORKERS_MIB + 1024}Mi` },
    runtimeClass: runner.runtimeClass,
  });
}

function environment(
  { runner, network }: PlatformSettings,
  cacheUrl: pulumi.Input<string>,
): Record<string, pulumi.Input<string>> {
  return {
    RUNNER_PORT: String(RUNNER_PORT),
    RUNNER_MAX_PROCESSES: String(planRunner(runner).maxProcesses),
    RUNNER_DRAIN_TIMEOUT_MS: String(DRAIN_TIMEOUT_MS),
    FUNCTION_MEMORY_MB: String(runner.functionMemoryMb),
    WORKERS_PATH: `${STATE_DIRECTORY}/workers`,
    WORKERS_MAX_BYTES: String(WORKERS_MIB * MIB),
    // The internet and nothing of the cluster, whatever addresses that has.
    FUNCTION_NETWORK_ALLOW: 'public',
    FUNCTION_NETWORK_DENY: [
      ...network.clusterNetworks,
      ...network.bucketNetworks,
      ...network.databaseNetworks,
    ].join(','),
    CACHE_URL: cacheUrl,
    CACHE_USERNAME: 'runner',
  };
}
