import * as pulumi from '@pulumi/pulumi';
import { beforeEach, describe, expect, test } from 'vitest';
import type { DragonflyCache, DragonflyOptions } from '../src/cache/dragonfly.ts';

type Resource = { type: string; name: string; inputs: Record<string, any> };

const PASSWORDS = { gateway: 'g'.repeat(32), runner: 'r'.repeat(32), 'control-api': 'c'.repeat(32) };

let created: Resource[] = [];

// Registered before anything that makes resources is loaded, as Pulumi wants it.
await pulumi.runtime.setMocks({
  newResource({ type, name, inputs }) {
    created.push({ type, name, inputs: inputs as Record<string, any> });
    return { id: `${name}-id`, state: inputs as Record<string, unknown> };
  },
  call: ({ inputs }) => inputs as Record<string, unknown>,
});
const { createDragonflyCache, DEFAULT_IMAGE } = await import('../src/cache/dragonfly.ts');

async function deploy(options: Partial<DragonflyOptions> = {}): Promise<DragonflyCache & { url: string }> {
  const cache = createDragonflyCache('origan-cache', 'edge', { passwords: PASSWORDS, ...options });
  const url = await new Promise<string>((resolve) => {
    pulumi.all([cache.endpoint, cache.statefulSet.id]).apply(([endpoint]) => resolve(endpoint));
  });
  await pulumi.runtime.disconnect();
  return { ...cache, url };
}

const one = (type: string): Record<string, any> => {
  const found = created.filter((resource) => resource.type.endsWith(type));
  expect(found).toHaveLength(1);
  return found[0]?.inputs ?? {};
};
const pod = (): Record<string, any> => one(':StatefulSet')['spec'].template.spec;
const container = (): Record<string, any> => pod()['containers'][0];

beforeEach(() => {
  created = [];
});

describe('the cache on Kubernetes', () => {
  test('has a name that resolves, and says it', async () => {
    const { url } = await deploy();
    expect(one(':Service')['metadata']).toMatchObject({ name: 'origan-cache', namespace: 'edge' });
    expect(one(':Service')['spec']).toMatchObject({
      type: 'ClusterIP',
      selector: one(':StatefulSet')['spec'].selector.matchLabels,
    });
    expect(one(':StatefulSet')['spec'].serviceName).toBe('origan-cache');
    expect(url).toBe('redis://origan-cache.edge.svc:6379');
  });

  test('runs a pinned image through its own entrypoint', async () => {
    await deploy();
    expect(DEFAULT_IMAGE).toMatch(/^dragonflydb\/dragonfly:v\d+\.\d+\.\d+$/);
    expect(container()['image']).toBe(DEFAULT_IMAGE);
    expect(container()['command']).toBeUndefined();
  });

  test('gets flags that Dragonfly knows, and no variables', async () => {
    await deploy({ memoryLimit: '4Gi', cpuLimit: '4' });
    expect(container()['args']).toEqual([
      '--logtostderr',
      '--bind=0.0.0.0',
      '--port=6379',
      '--aclfile=/etc/dragonfly/users.acl',
      '--cache_mode=true',
      '--maxmemory=3072mb',
      '--proactor_threads=4',
      '--dir=/data',
      '--dbfilename=dump',
      '--snapshot_cron=*/30 * * * *',
    ]);
    expect(container()['env']).toBeUndefined();
    expect(pod()['enableServiceLinks']).toBe(false);
  });

  test('fills at most three quarters of its memory by default too', async () => {
    await deploy();
    expect(container()['resources'].limits).toEqual({ memory: '2Gi', cpu: '2' });
    expect(container()['args']).toContain('--maxmemory=1536mb');
    expect(container()['args']).toContain('--proactor_threads=2');
  });

  test('is asked for its health over HTTP, and has time to load a snapshot', async () => {
    await deploy();
    const { startupProbe, readinessProbe, livenessProbe } = container() as Record<string, any>;
    for (const probe of [startupProbe, readinessProbe]) {
      expect(probe.httpGet).toEqual({ path: '/healthz', port: 6379 });
      expect(probe.exec).toBeUndefined();
    }
    expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBeGreaterThanOrEqual(300);
    // 503 while loading must not count as dead.
    expect(livenessProbe.httpGet).toBeUndefined();
  });

  test('has users in a Secret, one for each service, and nowhere else', async () => {
    await deploy({ keyPrefix: 'staging:' });
    const data = one(':Secret')['stringData'];
    // A value marked as secret is wrapped on its way to the engine.
    expect(Object.keys(data)).toContain('value');
    const lines = String(data.value['users.acl']);
    expect(lines.trimEnd().split('\n')).toEqual([
      'user default off -@all',
      expect.stringMatching(
        /^user gateway on >g{32} ~staging:domain:\* .*&staging:bus:\* \+@all -@admin -@dangerous \+info$/,
      ),
      expect.stringMatching(/^user runner on >r{32} ~staging:deployment:\* /),
      expect.stringMatching(/^user control-api on >c{32} ~staging:\* /),
    ]);
    const others = created.filter(({ type }) => !type.endsWith(':Secret'));
    expect(JSON.stringify(others)).not.toMatch(/g{32}|r{32}|c{32}/);
    expect(pod()['volumes']).toContainEqual({
      name: 'users',
      secret: { secretName: 'origan-cache-users', defaultMode: 0o440 },
    });
    expect(container()['volumeMounts']).toContainEqual({
      name: 'users',
      mountPath: '/etc/dragonfly',
      readOnly: true,
    });
  });

  test('runs without privileges', async () => {
    await deploy();
    expect(pod()['securityContext']).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod()['automountServiceAccountToken']).toBe(false);
    expect(container()['securityContext']).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  });

  test('keeps snapshots on a volume of the class named', async () => {
    await deploy({ storageClass: 'encrypted', storage: '20Gi' });
    expect(one(':StatefulSet')['spec'].volumeClaimTemplates).toEqual([
      {
        metadata: { name: 'data' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          resources: { requests: { storage: '20Gi' } },
          storageClassName: 'encrypted',
        },
      },
    ]);
  });

  test('keeps nothing without persistence', async () => {
    await deploy({ persistence: false });
    expect(one(':StatefulSet')['spec'].volumeClaimTemplates).toBeUndefined();
    expect(container()['args']).toContain('--dbfilename=');
    expect(container()['args'].join(' ')).not.toContain('snapshot_cron');
    expect(pod()['volumes']).toContainEqual({ name: 'data', emptyDir: {} });
  });

  test('lets nobody in but the services, and calls nobody', async () => {
    await deploy();
    expect(one(':NetworkPolicy')['spec']).toEqual({
      podSelector: { matchLabels: { app: 'origan-cache' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { 'origan.dev/cache-client': 'true' } } }],
          ports: [{ port: 6379, protocol: 'TCP' }],
        },
      ],
      egress: [],
    });
  });

  test('lets Prometheus in where it is named', async () => {
    await deploy({ monitoringNamespaceLabels: { team: 'monitoring' } });
    expect(one(':NetworkPolicy')['spec'].ingress[0].from).toContainEqual({
      namespaceSelector: { matchLabels: { team: 'monitoring' } },
    });
  });
});
