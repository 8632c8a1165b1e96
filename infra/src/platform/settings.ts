import type * as pulumi from '@pulumi/pulumi';
import type { ProgramName } from './names.ts';

/** An S3 server from outside, with a key that may read and write the one bucket. */
export type BucketSettings = {
  url: string;
  name: string;
  region?: string;
  accessKey: string;
  secretKey: string;
};

/** The GitHub App, where builds read from GitHub. */
export type GithubSettings = { appId: string; privateKey: string; webhookSecret: string };

/** What the programs hold in common and nobody else may read. */
export type PlatformSecrets = {
  bucket: pulumi.Output<BucketSettings>;
  databaseUrl: pulumi.Output<string>;
  controlApiToken: pulumi.Output<string>;
  runnerSharedSecret: pulumi.Output<string>;
  environmentKey: pulumi.Output<string>;
  cachePasswords: pulumi.Output<Record<string, string>>;
  github: pulumi.Output<GithubSettings> | undefined;
  /** More variables of programs, by the program's name. */
  env: pulumi.Output<VariablesByProgram> | undefined;
};

/** `pulumi config set --path` keeps 1 and true as what they look like. */
export type VariablesByProgram = Partial<Record<ProgramName, Record<string, string | number | boolean>>>;

export type PlatformSettings = {
  namespace: string;
  /** The image of every program, with version or digest. */
  image: string;
  /** `D` in `{project}.D`. */
  deployDomain: string;
  /** Variables of programs that are no setting here; they win over what is. */
  env: VariablesByProgram;
  secrets: PlatformSecrets;
  gateway: GatewaySettings;
  runner: RunnerSettings;
  controlApi: ControlApiSettings;
  cache: { memory: string; cpu: string; persistence: boolean; storageClass: string | undefined };
  network: NetworkSettings;
};

export type GatewaySettings = {
  /** Whole cores: a serving process for each. */
  cpu: string;
  memory: string;
  minReplicas: number;
  maxReplicas: number;
  /** Secret of the type kubernetes.io/tls for the hosts below the deploy domain. */
  tlsSecret: string | undefined;
  loadBalancerAnnotations: Record<string, string>;
  trustedProxies: readonly string[];
};

export type RunnerSettings = {
  replicas: number;
  cpu: string;
  memory: string;
  functionMemoryMb: number;
  /** Such as `gvisor`. */
  runtimeClass: string | undefined;
};

export type ControlApiSettings = {
  replicas: number;
  cpu: string;
  memory: string;
  /** Where `origan` finds it from outside; without one it is reached from within the cluster alone. */
  host: string | undefined;
  ingressClass: string | undefined;
  ingressAnnotations: Record<string, string>;
  tlsSecret: string | undefined;
  /** Labels of the namespace of the ingress controller. */
  ingressNamespaceLabels: Record<string, string>;
};

export type NetworkSettings = {
  /** Where the bucket is, when not on the internet; and its port. */
  bucketNetworks: readonly string[];
  bucketPort: number;
  databaseNetworks: readonly string[];
  databasePort: number;
  /** Of pods, services, nodes and the cluster's API, where these are not private addresses anyway. */
  clusterNetworks: readonly string[];
  /** Resolvers besides the cluster's own pods, such as a cache on each node. */
  dnsNetworks: readonly string[];
  /** Labels of the namespace of Prometheus. */
  monitoringNamespaceLabels: Record<string, string> | undefined;
};

const PRIVATE_NETWORKS = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'];

/** Reads the stack's configuration. @throws what Pulumi says of a value that is missing. */
export function readSettings(config: pulumi.Config): PlatformSettings {
  return {
    namespace: config.get('namespace') ?? 'default',
    image: config.require('image'),
    deployDomain: config.require('deployDomain'),
    env: config.getObject<VariablesByProgram>('env') ?? {},
    secrets: readSecrets(config),
    gateway: {
      cpu: config.get('gatewayCpu') ?? '2',
      memory: config.get('gatewayMemory') ?? '3Gi',
      minReplicas: config.getNumber('gatewayReplicas') ?? 2,
      maxReplicas: config.getNumber('gatewayMaxReplicas') ?? 10,
      tlsSecret: config.get('gatewayTlsSecret'),
      loadBalancerAnnotations: config.getObject('loadBalancerAnnotations') ?? {},
      trustedProxies: config.getObject('trustedProxies') ?? [],
    },
    runner: {
      replicas: config.getNumber('runnerReplicas') ?? 2,
      cpu: config.get('runnerCpu') ?? '2',
      memory: config.get('runnerMemory') ?? '6Gi',
      functionMemoryMb: config.getNumber('functionMemoryMb') ?? 256,
      runtimeClass: config.get('runnerRuntimeClass'),
    },
    controlApi: readControlApi(config),
    cache: {
      memory: config.get('cacheMemory') ?? '4Gi',
      cpu: config.get('cacheCpu') ?? '4',
      persistence: config.getBoolean('cachePersistence') ?? true,
      storageClass: config.get('cacheStorageClass'),
    },
    network: readNetwork(config),
  };
}

function readSecrets(config: pulumi.Config): PlatformSecrets {
  return {
    bucket: config.requireSecretObject<BucketSettings>('bucket'),
    databaseUrl: config.requireSecret('databaseUrl'),
    controlApiToken: config.requireSecret('controlApiToken'),
    runnerSharedSecret: config.requireSecret('runnerSharedSecret'),
    environmentKey: config.requireSecret('environmentKey'),
    cachePasswords: config.requireSecretObject<Record<string, string>>('cachePasswords'),
    github: config.getSecretObject<GithubSettings>('github'),
    env: config.getSecretObject<VariablesByProgram>('secretEnv'),
  };
}

function readControlApi(config: pulumi.Config): ControlApiSettings {
  return {
    replicas: config.getNumber('controlApiReplicas') ?? 2,
    cpu: config.get('controlApiCpu') ?? '1',
    memory: config.get('controlApiMemory') ?? '1Gi',
    host: config.get('controlApiHost'),
    ingressClass: config.get('controlApiIngressClass'),
    ingressAnnotations: config.getObject('controlApiIngressAnnotations') ?? {},
    tlsSecret: config.get('controlApiTlsSecret'),
    ingressNamespaceLabels: config.getObject('ingressNamespaceLabels') ?? {
      'kubernetes.io/metadata.name': 'ingress-nginx',
    },
  };
}

function readNetwork(config: pulumi.Config): NetworkSettings {
  return {
    bucketNetworks: config.getObject('bucketNetworks') ?? [],
    bucketPort: config.getNumber('bucketPort') ?? 443,
    databaseNetworks: config.getObject('databaseNetworks') ?? PRIVATE_NETWORKS,
    databasePort: config.getNumber('databasePort') ?? 5432,
    clusterNetworks: config.getObject('clusterNetworks') ?? [],
    dnsNetworks: config.getObject('dnsNetworks') ?? [],
    monitoringNamespaceLabels: config.getObject('monitoringNamespaceLabels'),
  };
}

/** The further variables of a program, as text. */
export function variablesOf(
  given: VariablesByProgram | undefined,
  program: ProgramName,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given?.[program] ?? {}).map(([key, value]) => [key, String(value)]),
  );
}

/** The password of a program's user of the cache. */
export function cachePassword(secrets: PlatformSecrets, program: ProgramName): pulumi.Output<string> {
  return secrets.cachePasswords.apply((passwords) => passwords[program] ?? '');
}
