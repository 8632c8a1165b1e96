import { beforeAll, describe, expect, test } from 'vitest';
import { isOpen, mayReach, mayReachPod } from './reach.ts';
import { environmentOf, one, render, type Resource } from './render.ts';

const [GATEWAY, RUNNER, CONTROL_API, CACHE] = [
  'origan-gateway',
  'origan-runner',
  'origan-control-api',
  'origan-cache',
];

const CLOUD_CREDENTIALS = '169.254.169.254';
const CLUSTER_API = '10.96.0.1';
const DATABASE = '10.9.0.5';
const INTERNET = '93.184.215.14';

let resources: Resource[];
beforeAll(async () => {
  resources = await render({ monitoringNamespaceLabels: { team: 'monitoring' } });
});

test('nothing goes in or out of a pod but what is allowed', () => {
  expect(one(resources, 'NetworkPolicy', 'origan-default-deny')['spec']).toEqual({
    podSelector: { matchLabels: { 'app.kubernetes.io/part-of': 'origan-edge' } },
    policyTypes: ['Ingress', 'Egress'],
  });
});

describe('from the internet', () => {
  test.each([
    [GATEWAY, 7777, true],
    [GATEWAY, 7778, true],
    [GATEWAY, 7779, false],
    [RUNNER, 9000, false],
    [CONTROL_API, 7780, false],
    [CONTROL_API, 7781, false],
    [CACHE, 6379, false],
  ])('%s at %d: %s', (name, port, isAllowed) => {
    expect(isOpen(resources, name ?? '', port)).toBe(isAllowed);
  });
});

describe('within the cluster', () => {
  test.each([
    [GATEWAY, CONTROL_API, 7780, true],
    [GATEWAY, RUNNER, 9000, true],
    [GATEWAY, CACHE, 6379, true],
    [RUNNER, CACHE, 6379, true],
    [CONTROL_API, CACHE, 6379, true],
    // Calls of a function would otherwise be anybody's to make.
    [RUNNER, RUNNER, 9000, false],
    [CONTROL_API, RUNNER, 9000, false],
    [RUNNER, CONTROL_API, 7780, false],
    [RUNNER, CONTROL_API, 7781, false],
    [RUNNER, GATEWAY, 7779, false],
    [GATEWAY, CONTROL_API, 7781, false],
  ])('%s to %s at %d: %s', (from, to, port, isAllowed) => {
    expect(mayReachPod(resources, from ?? '', to ?? '', port)).toBe(isAllowed);
  });
});

describe('to the outside', () => {
  test.each([
    [CONTROL_API, DATABASE, 5432, true],
    [GATEWAY, DATABASE, 5432, false],
    [RUNNER, DATABASE, 5432, false],
    [RUNNER, INTERNET, 443, true],
    [RUNNER, INTERNET, 80, true],
    [RUNNER, '2606:4700::1', 443, true],
    [GATEWAY, INTERNET, 443, true],
    [GATEWAY, INTERNET, 80, false],
    [CACHE, INTERNET, 443, false],
  ])('%s to %s at %d: %s', (name, address, port, isAllowed) => {
    expect(mayReach(resources, name ?? '', address, port)).toBe(isAllowed);
  });

  test.each([GATEWAY, RUNNER, CONTROL_API, CACHE])(
    '%s reaches no credentials of the cloud and no API of the cluster',
    (name) => {
      for (const port of [80, 443, 6443]) {
        for (const address of [CLOUD_CREDENTIALS, CLUSTER_API, '100.100.100.200', 'fd00:ec2::254'])
          expect(mayReach(resources, name ?? '', address, port)).toBe(false);
      }
    },
  );

  test('a cluster with public addresses names them', async () => {
    const open = await render({ clusterNetworks: ['203.0.113.0/24', '2001:db8::/32'] });
    for (const address of ['203.0.113.7', '2001:db8::7']) {
      expect(mayReach(resources, RUNNER ?? '', address, 443)).toBe(true);
      expect(mayReach(open, RUNNER ?? '', address, 443)).toBe(false);
    }
    expect(environmentOf(open, 'origan-runner')['FUNCTION_NETWORK_DENY']?.split(',')).toEqual(
      expect.arrayContaining(['203.0.113.0/24', '2001:db8::/32']),
    );
  });

  test('a bucket in a private network is named, and functions are kept off it', async () => {
    const inside = await render({ bucketNetworks: ['10.8.0.0/24'], bucketPort: 9000 });
    for (const name of [GATEWAY, RUNNER, CONTROL_API]) {
      expect(mayReach(resources, name ?? '', '10.8.0.7', 9000)).toBe(false);
      expect(mayReach(inside, name ?? '', '10.8.0.7', 9000)).toBe(true);
      expect(mayReach(inside, name ?? '', CLUSTER_API, 443)).toBe(false);
    }
    expect(environmentOf(inside, 'origan-runner')['FUNCTION_NETWORK_DENY']).toContain('10.8.0.0/24');
  });

  test('functions have the internet alone, whatever the pod of the runner may reach', () => {
    const env = environmentOf(resources, 'origan-runner');
    expect(env['FUNCTION_NETWORK_ALLOW']).toBe('public');
    expect(env['FUNCTION_NETWORK_DENY']).toContain('10.0.0.0/8');
  });
});

test('Prometheus comes in where its namespace is named, and only to metrics', async () => {
  const peer = { namespaceSelector: { matchLabels: { team: 'monitoring' } } };
  const portsFor = (name: string | undefined): number[] =>
    one(resources, 'NetworkPolicy', name)
      ['spec'].ingress.filter(({ from = [] }: { from?: object[] }) =>
        from.some((one) => JSON.stringify(one) === JSON.stringify(peer)),
      )
      .flatMap(({ ports }: { ports: { port: number }[] }) => ports.map(({ port }) => port));
  expect([GATEWAY, RUNNER, CONTROL_API, CACHE].map(portsFor)).toEqual([[7779], [9000], [7781], [6379]]);
  expect(JSON.stringify(await render())).not.toContain('monitoring');
});

test('the ingress controller comes in where the control API has a host', async () => {
  const named = await render({
    controlApiHost: 'api.example',
    controlApiTlsSecret: 'tls',
    ingressNamespaceLabels: { app: 'ingress' },
  });
  const [rule] = one(named, 'NetworkPolicy', CONTROL_API)['spec'].ingress;
  expect(rule).toMatchObject({ ports: [{ port: 7780 }] });
  expect(rule.from).toContainEqual({ namespaceSelector: { matchLabels: { app: 'ingress' } } });
  expect(one(resources, 'NetworkPolicy', CONTROL_API)['spec'].ingress[0].from).toHaveLength(1);
});
