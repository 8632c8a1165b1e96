import * as k8s from '@pulumi/kubernetes';
import * as pulumi from '@pulumi/pulumi';
import { CONTROL_API_PORT, selectorOf } from './names.ts';
import {
  allowOnly,
  fromMonitoring,
  internet,
  podsOf,
  tcp,
  toBucket,
  toCache,
  toDatabase,
  toDns,
} from './network.ts';
import { bucketEnv, createPodTemplate, ROLLING, STATE_DIRECTORY, type SecretEnv } from './program.ts';
import { cachePassword, type ControlApiSettings, type PlatformSettings } from './settings.ts';

const NAME = 'origan-control-api';
const ADMIN_PORT = 7781;
/** Connections of each replica; the server's limit has to hold them all, those of a rollout included. */
const DATABASE_POOL_SIZE = 10;

const LEAVE_SECONDS = 10;
/** The program's own limit (control-api/main.ts). */
const STOP_SECONDS = 15;

/**
 * The control API. It brings the database's schema up to date at its start, one replica at a time under a lock of the
 * database, so that no job has to run before. Answers its URL within the cluster.
 */
export function createControlApi(
  settings: PlatformSettings,
  links: { cacheName: string; cacheUrl: pulumi.Input<string> },
): string {
  const { namespace, controlApi, network } = settings;
  const labels = selectorOf('control-api');
  new k8s.apps.v1.Deployment(`${NAME}-deployment`, {
    metadata: { name: NAME, namespace, labels },
    spec: {
      replicas: controlApi.replicas,
      selector: { matchLabels: labels },
      strategy: ROLLING,
      template: podTemplate(settings, links.cacheUrl),
    },
  });
  new k8s.core.v1.Service(`${NAME}-service`, {
    metadata: { name: NAME, namespace, labels },
    spec: {
      type: 'ClusterIP',
      selector: labels,
      ports: [{ name: 'http', port: CONTROL_API_PORT, targetPort: CONTROL_API_PORT }],
    },
  });
  createIngress(namespace, controlApi);
  const outside = { namespaceSelector: { matchLabels: controlApi.ingressNamespaceLabels } };
  allowOnly('control-api', {
    namespace,
    ingress: [
      {
        from: [podsOf('gateway'), ...(controlApi.host === undefined ? [] : [outside])],
        ports: [tcp(CONTROL_API_PORT)],
      },
      ...fromMonitoring(network, ADMIN_PORT),
    ],
    egress: [
      toDns(network),
      toCache(links.cacheName),
      toDatabase(network),
      toBucket(network),
      // GitHub, a certificate authority, and whether a domain that is to get a certificate leads here.
      { to: internet(network), ports: [tcp(80), tcp(443)] },
    ],
  });
  return `http://${NAME}.${namespace}.svc:${CONTROL_API_PORT}`;
}

/** For `origan` and GitHub's webhook, where a host is named. */
function createIngress(namespace: string, controlApi: ControlApiSettings): void {
  const { host, ingressClass, ingressAnnotations, tlsSecret } = controlApi;
  if (host === undefined) return;
  if (tlsSecret === undefined) throw new Error('controlApiHost needs controlApiTlsSecret: tokens go there');
  const backend = { service: { name: NAME, port: { number: CONTROL_API_PORT } } };
  new k8s.networking.v1.Ingress(`${NAME}-ingress`, {
    metadata: { name: NAME, namespace, annotations: ingressAnnotations },
    spec: {
      ...(ingressClass === undefined ? {} : { ingressClassName: ingressClass }),
      tls: [{ hosts: [host], secretName: tlsSecret }],
      rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
    },
  });
}

function podTemplate(
  settings: PlatformSettings,
  cacheUrl: pulumi.Input<string>,
): k8s.types.input.core.v1.PodTemplateSpec {
  const { controlApi, deployDomain } = settings;
  return createPodTemplate('control-api', settings, {
    cpu: controlApi.cpu,
    memory: controlApi.memory,
    env: {
      CONTROL_API_HOST: '0.0.0.0',
      CONTROL_API_PORT: String(CONTROL_API_PORT),
      CONTROL_API_ADMIN_HOST: '0.0.0.0',
      CONTROL_API_ADMIN_PORT: String(ADMIN_PORT),
      ORIGAN_DEPLOY_DOMAIN: deployDomain,
      ORIGAN_PUBLIC_SCHEME: 'https',
      ORIGAN_STATE_DIR: STATE_DIRECTORY,
      DATABASE_POOL_SIZE: String(DATABASE_POOL_SIZE),
      CACHE_URL: cacheUrl,
      CACHE_USERNAME: 'control-api',
    },
    secretEnv: secretEnvironment(settings),
    ports: [
      { name: 'http', containerPort: CONTROL_API_PORT },
      { name: 'metrics', containerPort: ADMIN_PORT },
    ],
    probes: {
      // A migration takes its time, and the replicas wait for each other.
      startupProbe: {
        httpGet: { path: '/readyz', port: ADMIN_PORT },
        periodSeconds: 5,
        failureThreshold: 120,
      },
      readinessProbe: {
        httpGet: { path: '/readyz', port: ADMIN_PORT },
        periodSeconds: 5,
        timeoutSeconds: 4,
        failureThreshold: 3,
      },
      // Not /readyz, which says no while the database is away: a restart would not bring that back.
      livenessProbe: {
        httpGet: { path: '/healthz', port: ADMIN_PORT },
        periodSeconds: 10,
        timeoutSeconds: 5,
        failureThreshold: 6,
      },
    },
    leaveSeconds: LEAVE_SECONDS,
    stopSeconds: STOP_SECONDS,
    scratch: { temporary: '1Gi', state: '64Mi' },
  });
}

function secretEnvironment({ secrets }: PlatformSettings): pulumi.Output<SecretEnv> {
  const { bucket, databaseUrl, controlApiToken, environmentKey, github } = secrets;
  return pulumi
    .all([
      bucket,
      databaseUrl,
      controlApiToken,
      environmentKey,
      cachePassword(secrets, 'control-api'),
      github,
    ])
    .apply(([s3, DATABASE_URL, CONTROL_API_TOKEN, ENVIRONMENT_KEY, CACHE_PASSWORD, app]): SecretEnv => ({
      ...bucketEnv(s3),
      DATABASE_URL,
      CONTROL_API_TOKEN,
      ENVIRONMENT_KEY,
      CACHE_PASSWORD,
      GITHUB_APP_ID: app?.appId,
      GITHUB_APP_PRIVATE_KEY: app?.privateKey,
      GITHUB_WEBHOOK_SECRET: app?.webhookSecret,
    }));
}
