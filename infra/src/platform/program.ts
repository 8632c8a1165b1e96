import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { DEFAULT_CLIENT_LABELS } from '../cache/dragonfly.ts';
import { selectorOf, type ProgramName } from './names.ts';
import { variablesOf, type BucketSettings, type PlatformSettings } from './settings.ts';

type Container = k8s.types.input.core.v1.Container;
type PodTemplate = k8s.types.input.core.v1.PodTemplateSpec;
type Volume = k8s.types.input.core.v1.Volume;
type VolumeMount = k8s.types.input.core.v1.VolumeMount;

/** The user `node` of the image. */
const USER_ID = 1000;
/** Where the image keeps what a program writes; the rest of the file system is read-only. */
export const STATE_DIRECTORY = '/var/lib/origan';
/** Beyond the time that a program gives itself to stop: the kubelet's own delays. */
const MARGIN_SECONDS = 5;

/** What is undefined is left out. */
export type SecretEnv = Record<string, string | undefined>;

export type ProgramOptions = {
  /** Cores and memory: limits, and requests as well. */
  cpu: string;
  memory: string;
  /** Variables that anybody may read. */
  env: Record<string, pulumi.Input<string>>;
  /** Variables for the Secret. */
  secretEnv: pulumi.Output<SecretEnv>;
  ports: { name: string; containerPort: number }[];
  probes: Pick<Container, 'startupProbe' | 'readinessProbe' | 'livenessProbe'>;
  /** Seconds between the pod's leaving its Service and SIGTERM: until nobody sends it anything new. */
  leaveSeconds: number;
  /** Seconds that the program takes to stop at most, by its own limit. */
  stopSeconds: number;
  /** Sizes of what may be written below /tmp and the state directory. */
  scratch: { temporary: string; state: string };
  volumes?: (Volume & { mount: string })[];
  runtimeClass?: string | undefined;
};

/** The pods of a program and what belongs to each program alone: its Secret, its account, its disruption budget. */
export function createPodTemplate(
  program: ProgramName,
  settings: PlatformSettings,
  options: ProgramOptions,
): PodTemplate {
  const name = `origan-${program}`;
  const { namespace } = settings;
  const secret = createSecret(program, settings, options);
  // An account of its own that nobody gave any right: "default" may have got some.
  const account = new k8s.core.v1.ServiceAccount(`${name}-account`, {
    metadata: { name, namespace },
    automountServiceAccountToken: false,
  });
  new k8s.policy.v1.PodDisruptionBudget(`${name}-budget`, {
    metadata: { name, namespace },
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorOf(program) } },
  });
  const { runtimeClass } = options;
  return {
    metadata: { labels: { ...selectorOf(program), ...DEFAULT_CLIENT_LABELS } },
    spec: {
      serviceAccountName: account.metadata.name,
      automountServiceAccountToken: false,
      // Variables of other Services would be read as settings.
      enableServiceLinks: false,
      terminationGracePeriodSeconds: options.leaveSeconds + options.stopSeconds + MARGIN_SECONDS,
      ...(runtimeClass === undefined ? {} : { runtimeClassName: runtimeClass }),
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER_ID,
        runAsGroup: USER_ID,
        fsGroup: USER_ID,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      ...spread(program),
      containers: [container(program, settings, { options, secret })],
      volumes: volumes(options),
    },
  };
}

/**
 * A name that the engine makes anew at each change of a value, so that pods are replaced when a secret is: the kubelet alone
 * would not tell them.
 */
function createSecret(
  program: ProgramName,
  { namespace, secrets }: PlatformSettings,
  { secretEnv }: ProgramOptions,
): k8s.core.v1.Secret {
  const given = pulumi.all([secretEnv, secrets.env]).apply(([own, more]) => {
    const entries = Object.entries({ ...own, ...variablesOf(more, program) });
    return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
  });
  return new k8s.core.v1.Secret(`origan-${program}-env`, {
    metadata: { namespace },
    immutable: true,
    stringData: pulumi.secret(given),
  });
}

function container(
  program: ProgramName,
  { image, env: more }: PlatformSettings,
  { options, secret }: { options: ProgramOptions; secret: k8s.core.v1.Secret },
): Container {
  const { cpu, memory, ports, leaveSeconds } = options;
  const env = { ...options.env, ...variablesOf(more, program) };
  return {
    name: program,
    image,
    args: ['node', `${program}/main.ts`],
    env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
    envFrom: [{ secretRef: { name: secret.metadata.name } }],
    ports,
    // The same: what has its cores and its memory for itself answers evenly, and is the last to be evicted.
    resources: { limits: { cpu, memory }, requests: { cpu, memory } },
    lifecycle: { preStop: { exec: { command: ['sleep', String(leaveSeconds)] } } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: mounts(options),
    ...options.probes,
  };
}

function mounts({ volumes: extra = [] }: ProgramOptions): VolumeMount[] {
  return [
    { name: 'temporary', mountPath: '/tmp' },
    { name: 'state', mountPath: STATE_DIRECTORY },
    ...extra.map(({ name, mount }) => ({ name, mountPath: mount, readOnly: true })),
  ];
}

function volumes({ scratch, volumes: extra = [] }: ProgramOptions): Volume[] {
  return [
    { name: 'temporary', emptyDir: { sizeLimit: scratch.temporary } },
    { name: 'state', emptyDir: { sizeLimit: scratch.state } },
    ...extra.map(({ mount: _, ...volume }) => volume),
  ];
}

/** Not two on one node where there are others, and evenly over zones; but rather so than not at all. */
function spread(
  program: ProgramName,
): Pick<k8s.types.input.core.v1.PodSpec, 'affinity' | 'topologySpreadConstraints'> {
  const labelSelector = { matchLabels: selectorOf(program) };
  return {
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 100, podAffinityTerm: { labelSelector, topologyKey: 'kubernetes.io/hostname' } },
        ],
      },
    },
    topologySpreadConstraints: [
      {
        labelSelector,
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'ScheduleAnyway',
      },
    ],
  };
}

/** One pod more before one less: nobody is missed at a rollout. */
export const ROLLING: k8s.types.input.apps.v1.DeploymentStrategy = {
  type: 'RollingUpdate',
  rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
};

/** The bucket's variables, for a program's Secret. */
export function bucketEnv({ url, name, region, accessKey, secretKey }: BucketSettings): SecretEnv {
  return {
    BUCKET_URL: url,
    BUCKET_NAME: name,
    BUCKET_REGION: region,
    BUCKET_ACCESS_KEY: accessKey,
    BUCKET_SECRET_KEY: secretKey,
  };
}
