import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  containerOf,
  environmentOf,
  one,
  render,
  SECRETS,
  workload,
  workloads,
  type Resource,
} from './render.ts';

const PROGRAMS = ['gateway', 'runner', 'control-api'] as const;

const source = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
const podOf = (resources: readonly Resource[], name: string): Record<string, any> =>
  workload(resources, name)['spec'].template.spec;

let resources: Resource[];
beforeAll(async () => {
  resources = await render();
});

describe('every pod', () => {
  test('is one that the "restricted" standard of pod security admits', () => {
    expect(workloads(resources)).toHaveLength(4);
    for (const of of workloads(resources)) {
      const pod = of['spec'].template.spec;
      expect(pod.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(pod.securityContext.runAsUser).toBeGreaterThan(0);
      for (const key of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace'])
        expect(pod[key]).toBeUndefined();
      expect(containerOf(of)['securityContext']).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const kinds = pod.volumes.flatMap((volume: object) =>
        Object.keys(volume).filter((key) => key !== 'name'),
      );
      expect(kinds.every((kind: string) => ['emptyDir', 'secret'].includes(kind))).toBe(true);
    }
  });

  test('has no token of the cluster and no variables of other Services', () => {
    for (const of of workloads(resources)) {
      expect(of['spec'].template.spec).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
      });
    }
    const accounts = resources.filter(({ type }) => type.endsWith(':ServiceAccount'));
    expect(accounts.map(({ inputs }) => inputs['automountServiceAccountToken'])).toEqual([
      false,
      false,
      false,
    ]);
  });

  test('has limits and requests of memory that are the same', () => {
    for (const of of workloads(resources)) {
      const { limits, requests } = containerOf(of)['resources'];
      expect(limits.memory).toBe(requests.memory);
      expect(Object.keys(requests).toSorted()).toEqual(['cpu', 'memory']);
    }
  });

  test('writes where it may: below /tmp and the state directory, within bounds', () => {
    for (const program of PROGRAMS) {
      const { volumes } = podOf(resources, `origan-${program}`);
      const written = containerOf(workload(resources, `origan-${program}`))['volumeMounts'];
      expect(written.map(({ mountPath }: { mountPath: string }) => mountPath)).toEqual([
        '/tmp',
        '/var/lib/origan',
      ]);
      for (const { emptyDir } of volumes) expect(emptyDir.sizeLimit).toMatch(/^\d+[MG]i$/);
    }
  });

  test.each(PROGRAMS)(
    'of %s runs the image with a program that there is, and answers its probes',
    async (program) => {
      const container = containerOf(workload(resources, `origan-${program}`));
      expect(container['image']).toBe('example/origan-edge:0.1.0');
      expect(container['args']).toEqual(['node', `${program}/main.ts`]);
      await expect(source(`${program}/main.ts`)).resolves.toContain('runProgram');
      const ports = container['ports'].map(({ containerPort }: { containerPort: number }) => containerPort);
      for (const kind of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
        const { httpGet, tcpSocket } = container[kind];
        expect(ports).toContain((httpGet ?? tcpSocket).port);
      }
    },
  );

  test.each(PROGRAMS)('of %s has the time to stop that the program gives itself', async (program) => {
    const main = await source(`${program}/main.ts`);
    // The longest that is written there: a gateway that supervises others takes more than one that serves.
    const limits = [...(/clos\w*Timeout\w*.*$/im.exec(main)?.[0] ?? '').matchAll(/\d+_000/g)].map(([text]) =>
      Number(text.replace('_', '')),
    );
    expect(limits.length).toBeGreaterThan(0);
    const container = containerOf(workload(resources, `origan-${program}`));
    const [command, seconds] = container['lifecycle'].preStop.exec.command;
    expect(command).toBe('sleep');
    const { terminationGracePeriodSeconds: grace } = podOf(resources, `origan-${program}`);
    expect(grace * 1000).toBeGreaterThan(Number(seconds) * 1000 + Math.max(...limits));
    const env = environmentOf(resources, `origan-${program}`);
    const drainMs = Number(env['DRAIN_TIMEOUT_MS'] ?? env['RUNNER_DRAIN_TIMEOUT_MS'] ?? 0);
    expect(drainMs).toBeLessThan(Math.max(...limits));
  });

  test.each(PROGRAMS)('of %s is kept apart from its like, and goes one at a time', (program) => {
    const labels = { 'app.kubernetes.io/part-of': 'origan-edge', 'app.kubernetes.io/component': program };
    const { affinity, topologySpreadConstraints } = podOf(resources, `origan-${program}`);
    const [term] = affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution;
    expect(term.podAffinityTerm).toEqual({
      labelSelector: { matchLabels: labels },
      topologyKey: 'kubernetes.io/hostname',
    });
    expect(topologySpreadConstraints[0]).toMatchObject({ topologyKey: 'topology.kubernetes.io/zone' });
    expect(one(resources, 'PodDisruptionBudget', `origan-${program}`)['spec']).toEqual({
      maxUnavailable: 1,
      selector: { matchLabels: labels },
    });
    expect(workload(resources, `origan-${program}`)['spec'].selector.matchLabels).toEqual(labels);
  });
});

describe('secrets', () => {
  test('are in Secrets and nowhere else', () => {
    const values = JSON.stringify(SECRETS).match(/"[^"]{12,}"/g) ?? [];
    const secret = values
      .map((text) => text.slice(1, -1))
      .filter(
        (text) =>
          !/^(https:|databaseUrl|controlApiToken|runnerSharedSecret|environmentKey|cachePasswords)/.test(
            text,
          ),
      );
    expect(secret.length).toBeGreaterThanOrEqual(8);
    const others = JSON.stringify(resources.filter(({ type }) => !type.endsWith(':Secret')));
    for (const value of secret) expect(others).not.toContain(value);
  });

  test('are each with the programs that need them', () => {
    const has = (name: string): string[] =>
      PROGRAMS.filter((program) => name in environmentOf(resources, `origan-${program}`));
    expect(has('DATABASE_URL')).toEqual(['control-api']);
    expect(has('CONTROL_API_TOKEN')).toEqual(['control-api']);
    expect(has('ENVIRONMENT_KEY')).toEqual(['runner', 'control-api']);
    expect(has('RUNNER_SHARED_SECRET')).toEqual(['gateway', 'runner']);
    expect(has('CACHE_PASSWORD')).toEqual([...PROGRAMS]);
    for (const program of PROGRAMS) {
      const env = environmentOf(resources, `origan-${program}`);
      expect([env['CACHE_USERNAME'], env['CACHE_PASSWORD']]).toEqual([
        program,
        SECRETS.cachePasswords[program],
      ]);
    }
  });

  test('that change make new pods: their Secret gets another name', () => {
    for (const program of PROGRAMS) {
      const secret = resources.find(({ name }) => name === `origan-${program}-env`);
      expect(secret?.inputs).toMatchObject({ immutable: true, metadata: { namespace: 'edge' } });
      expect(secret?.inputs['metadata'].name).toBeUndefined();
    }
  });
});

describe('further variables', () => {
  test('are for the program that is named, plain or in its Secret', async () => {
    const more = await render({
      env: {
        runner: { FUNCTION_TIMEOUT_MS: 30_000, FUNCTION_MEMORY_MB: '64' },
        gateway: { ACCESS_LOG: false },
      },
      secretEnv: { 'control-api': { GITHUB_WEBHOOK_SECRET: 'secret-of-the-webhook' } },
    });
    expect(environmentOf(more, 'origan-runner')).toMatchObject({
      FUNCTION_TIMEOUT_MS: '30000',
      FUNCTION_MEMORY_MB: '64',
    });
    expect(environmentOf(more, 'origan-gateway')['FUNCTION_TIMEOUT_MS']).toBeUndefined();
    expect(environmentOf(more, 'origan-gateway')['ACCESS_LOG']).toBe('false');
    const env = environmentOf(more, 'origan-control-api');
    expect(env['GITHUB_WEBHOOK_SECRET']).toBe('secret-of-the-webhook');
    const others = more.filter(({ type }) => !type.endsWith(':Secret'));
    expect(JSON.stringify(others)).not.toContain('secret-of-the-webhook');
  });
});

describe('the gateway', () => {
  test('is reached through a load balancer that leaves clients their addresses', () => {
    const service = one(resources, 'Service', 'origan-gateway')['spec'];
    expect(service).toMatchObject({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
    expect(service.selector).toEqual(workload(resources, 'origan-gateway')['spec'].selector.matchLabels);
    const env = environmentOf(resources, 'origan-gateway');
    expect(
      service.ports.map(({ port, targetPort }: Record<string, number>) => [port, String(targetPort)]),
    ).toEqual([
      [80, env['GATEWAY_PORT']],
      [443, env['GATEWAY_TLS_PORT']],
    ]);
  });

  test('has as many replicas as the autoscaler says', async () => {
    expect(workload(resources, 'origan-gateway')['spec'].replicas).toBeUndefined();
    const scaled = await render({ gatewayReplicas: 3, gatewayMaxReplicas: 30 });
    expect(one(scaled, 'HorizontalPodAutoscaler')['spec']).toMatchObject({
      scaleTargetRef: { kind: 'Deployment', name: 'origan-gateway' },
      minReplicas: 3,
      maxReplicas: 30,
      metrics: [{ resource: { name: 'cpu', target: { type: 'Utilization' } } }],
    });
  });

  test('has a process for each core', async () => {
    const large = await render({ gatewayCpu: '4', gatewayMemory: '8Gi' });
    expect(environmentOf(large, 'origan-gateway')['GATEWAY_PROCESSES']).toBe('4');
    expect(environmentOf(resources, 'origan-gateway')['GATEWAY_PROCESSES']).toBe('2');
  });

  test('has the certificate of the Secret that is named', async () => {
    const env = environmentOf(resources, 'origan-gateway');
    expect(env['HAS_TLS_SERVER']).toBe('true');
    expect(env['TLS_CERT_FILE']).toBeUndefined();
    const named = await render({ gatewayTlsSecret: 'wildcard' });
    expect(environmentOf(named, 'origan-gateway')).toMatchObject({
      TLS_CERT_FILE: '/etc/origan/tls/tls.crt',
      TLS_KEY_FILE: '/etc/origan/tls/tls.key',
    });
    expect(podOf(named, 'origan-gateway')['volumes']).toContainEqual({
      name: 'tls',
      secret: { secretName: 'wildcard', defaultMode: 0o440 },
    });
    expect(containerOf(workload(named, 'origan-gateway'))['volumeMounts']).toContainEqual({
      name: 'tls',
      mountPath: '/etc/origan/tls',
      readOnly: true,
    });
  });
});

describe('the runners', () => {
  test('have a name each, by which gateways know them', async () => {
    const three = await render({ runnerReplicas: 3 });
    expect(workload(three, 'origan-runner')['spec']).toMatchObject({
      replicas: 3,
      serviceName: 'origan-runner',
    });
    expect(one(three, 'Service', 'origan-runner')['spec']).toMatchObject({ clusterIP: 'None' });
    expect(environmentOf(three, 'origan-gateway')['RUNNER_URL']?.split(',')).toEqual([
      'http://origan-runner-0.origan-runner.edge.svc:9000',
      'http://origan-runner-1.origan-runner.edge.svc:9000',
      'http://origan-runner-2.origan-runner.edge.svc:9000',
    ]);
  });

  test('run in a sandbox where one is named', async () => {
    expect(podOf(resources, 'origan-runner')['runtimeClassName']).toBeUndefined();
    const named = await render({ runnerRuntimeClass: 'gvisor' });
    expect(podOf(named, 'origan-runner')['runtimeClassName']).toBe('gvisor');
    expect(podOf(named, 'origan-gateway')['runtimeClassName']).toBeUndefined();
  });

  test('keep less code than their disk has room for', () => {
    const { volumes } = podOf(resources, 'origan-runner');
    const state = volumes.find(({ name }: { name: string }) => name === 'state').emptyDir.sizeLimit;
    const env = environmentOf(resources, 'origan-runner');
    expect(env['WORKERS_PATH']).toMatch(/^\/var\/lib\/origan\//);
    expect(Number.parseInt(state, 10) * 1024 * 1024).toBeGreaterThan(Number(env['WORKERS_MAX_BYTES']));
  });
});

describe('the control API', () => {
  test('has two replicas, and gateways find it', () => {
    expect(workload(resources, 'origan-control-api')['spec'].replicas).toBe(2);
    expect(one(resources, 'Service', 'origan-control-api')['spec']).toMatchObject({
      type: 'ClusterIP',
      ports: [{ port: 7780, targetPort: 7780 }],
    });
    expect(environmentOf(resources, 'origan-gateway')['CONTROL_API_URL']).toBe(
      'http://origan-control-api.edge.svc:7780',
    );
  });

  test('is reached from outside at the host that is named, over TLS alone', async () => {
    expect(resources.filter(({ type }) => type.endsWith(':Ingress'))).toEqual([]);
    const named = await render({
      controlApiHost: 'api.example',
      controlApiTlsSecret: 'api-tls',
      controlApiIngressClass: 'nginx',
    });
    expect(one(named, 'Ingress')['spec']).toMatchObject({
      ingressClassName: 'nginx',
      tls: [{ hosts: ['api.example'], secretName: 'api-tls' }],
      rules: [
        {
          host: 'api.example',
          http: { paths: [{ backend: { service: { name: 'origan-control-api', port: { number: 7780 } } } }] },
        },
      ],
    });
    await expect(render({ controlApiHost: 'api.example' })).rejects.toThrow(/controlApiTlsSecret/);
  });
});

describe('what is watched', () => {
  test('is found by the configuration of Prometheus', async () => {
    const { scrape_configs: jobs } = parse(await source('infra/prometheus.yaml')) as {
      scrape_configs: any[];
    };
    for (const program of PROGRAMS) {
      const job = jobs.find(({ job_name }) => job_name === program);
      const wanted = job.kubernetes_sd_configs[0].selectors[0].label.split(',');
      const { labels } = workload(resources, `origan-${program}`)['spec'].template.metadata;
      for (const pair of wanted)
        expect(Object.entries(labels).map((entry) => entry.join('='))).toContain(pair);
      const keep = job.relabel_configs.find(({ action }: { action?: string }) => action === 'keep');
      const ports = containerOf(workload(resources, `origan-${program}`))['ports'];
      expect(ports.filter(({ name }: { name: string }) => name === keep.regex)).toHaveLength(1);
    }
  });
});

describe('the configuration', () => {
  test('is read by the program that Pulumi runs, which answers where things are', async () => {
    await render();
    const { cacheEndpoint } = await import('../index.ts');
    const url = await new Promise((resolve) => void cacheEndpoint.apply(resolve));
    expect(url).toBe('redis://origan-cache.edge.svc:6379');
  });

  test.each(['image', 'deployDomain', 'bucket', 'databaseUrl', 'environmentKey', 'cachePasswords'])(
    'has to have %s',
    async (key) => {
      await expect(render({ [key]: undefined })).rejects.toThrow(new RegExp(`origan-edge:${key}`));
    },
  );

  test('is in the table of the README, all of it and nothing else', async () => {
    const settings = await source('infra/src/platform/settings.ts');
    const read = [...settings.matchAll(/config\.(?:get|require)\w*(?:<[^(]*>)?\(\s*'(\w+)'/g)].map(
      ([, key]) => key,
    );
    const readme = await source('infra/README.md');
    const documented = [...readme.matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key);
    expect(documented.toSorted()).toEqual(read.toSorted());
  });
});
