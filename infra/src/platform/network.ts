import * as k8s from '@pulumi/kubernetes';
import { PORT as CACHE_PORT } from '../cache/arguments.ts';
import { PART_OF, selectorOf, type ProgramName } from './names.ts';
import type { NetworkSettings } from './settings.ts';

type Peer = k8s.types.input.networking.v1.NetworkPolicyPeer;
type Port = k8s.types.input.networking.v1.NetworkPolicyPort;
type Ingress = k8s.types.input.networking.v1.NetworkPolicyIngressRule;
type Egress = k8s.types.input.networking.v1.NetworkPolicyEgressRule;

/** What is not the internet: private networks, what clouds serve their credentials at, the machine itself. */
const NOT_PUBLIC_V4 = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '127.0.0.0/8',
];
const NOT_PUBLIC_V6 = ['fc00::/7', 'fe80::/10', '::1/128', '64:ff9b::/96'];

export const tcp = (port: number): Port => ({ port, protocol: 'TCP' });

export function podsOf(program: ProgramName): Peer {
  return { podSelector: { matchLabels: selectorOf(program) } };
}

/** Nothing goes in or out of a pod of the platform but what the policies of its program allow. */
export function denyByDefault(namespace: string): k8s.networking.v1.NetworkPolicy {
  return new k8s.networking.v1.NetworkPolicy('origan-default-deny', {
    metadata: { name: 'origan-default-deny', namespace },
    spec: { podSelector: { matchLabels: PART_OF }, policyTypes: ['Ingress', 'Egress'] },
  });
}

export type Allowed = { namespace: string; ingress: Ingress[]; egress: Egress[] };

export function allowOnly(program: ProgramName, allowed: Allowed): k8s.networking.v1.NetworkPolicy {
  const { namespace, ingress, egress } = allowed;
  const name = `origan-${program}`;
  return new k8s.networking.v1.NetworkPolicy(`${name}-network`, {
    metadata: { name, namespace },
    spec: {
      podSelector: { matchLabels: selectorOf(program) },
      policyTypes: ['Ingress', 'Egress'],
      ingress,
      egress,
    },
  });
}

/** Prometheus, where its namespace is named. */
export function fromMonitoring(
  { monitoringNamespaceLabels: labels }: NetworkSettings,
  port: number,
): Ingress[] {
  return labels === undefined
    ? []
    : [{ from: [{ namespaceSelector: { matchLabels: labels } }], ports: [tcp(port)] }];
}

export function toDns({ dnsNetworks }: NetworkSettings): Egress {
  const cluster: Peer = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
    podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
  };
  return {
    to: [cluster, ...dnsNetworks.map((cidr) => ({ ipBlock: { cidr } }))],
    ports: [{ port: 53, protocol: 'UDP' }, tcp(53)],
  };
}

export function toCache(cacheName: string): Egress {
  return { to: [{ podSelector: { matchLabels: { app: cacheName } } }], ports: [tcp(CACHE_PORT)] };
}

/** The networks named, or else the internet. */
export function toBucket(network: NetworkSettings): Egress {
  const { bucketNetworks, bucketPort } = network;
  const named = bucketNetworks.map((cidr) => ({ ipBlock: { cidr } }));
  return { to: named.length > 0 ? named : internet(network), ports: [tcp(bucketPort)] };
}

export function toDatabase({ databaseNetworks, databasePort }: NetworkSettings): Egress {
  return { to: databaseNetworks.map((cidr) => ({ ipBlock: { cidr } })), ports: [tcp(databasePort)] };
}

/** Every public address, and none of the cluster's. */
export function internet({ clusterNetworks }: NetworkSettings): Peer[] {
  const isV6 = (cidr: string): boolean => cidr.includes(':');
  return [
    {
      ipBlock: {
        cidr: '0.0.0.0/0',
        except: [...NOT_PUBLIC_V4, ...clusterNetworks.filter((cidr) => !isV6(cidr))],
      },
    },
    { ipBlock: { cidr: '::/0', except: [...NOT_PUBLIC_V6, ...clusterNetworks.filter(isV6)] } },
  ];
}
