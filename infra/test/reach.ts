import { BlockList, isIPv6 } from 'node:net';
import { one, workload, type Resource } from './render.ts';

type Rule = Record<string, any>;

/** Whether the policies let a pod of this workload connect to an address outside of the cluster's pods. */
export function mayReach(
  resources: readonly Resource[],
  name: string,
  address: string,
  port: number,
): boolean {
  const rules: Rule[] = policyOf(resources, name)['egress'];
  return rules.some(
    (rule) => hasPort(rule, port) && (rule['to'] as Rule[]).some((peer) => isWithin(peer, address)),
  );
}

/** Whether the policies of both let a pod of one workload connect to a pod of another one. */
export function mayReachPod(resources: readonly Resource[], from: string, to: string, port: number): boolean {
  const egress: Rule[] = policyOf(resources, from)['egress'];
  const ingress: Rule[] = policyOf(resources, to)['ingress'];
  const goes = egress.some((rule) => hasPort(rule, port) && selects(rule['to'], labelsOf(resources, to)));
  // A rule without peers lets everybody in.
  const comes = ingress.some(
    (rule) =>
      hasPort(rule, port) && (rule['from'] === undefined || selects(rule['from'], labelsOf(resources, from))),
  );
  return goes && comes;
}

/** Whether anybody at all, from wherever, may connect to this port. */
export function isOpen(resources: readonly Resource[], name: string, port: number): boolean {
  const ingress: Rule[] = policyOf(resources, name)['ingress'];
  return ingress.some((rule) => hasPort(rule, port) && rule['from'] === undefined);
}

function policyOf(resources: readonly Resource[], name: string): Rule {
  const { spec } = one(resources, 'NetworkPolicy', name) as { spec: Rule };
  const labels = labelsOf(resources, name);
  if (!isSubset(spec['podSelector'].matchLabels, labels))
    throw new Error(`the policy ${name} is for other pods`);
  if (!spec['policyTypes'].includes('Ingress') || !spec['policyTypes'].includes('Egress'))
    throw new Error(name);
  return spec;
}

function labelsOf(resources: readonly Resource[], name: string): Record<string, string> {
  return workload(resources, name)['spec'].template.metadata.labels;
}

function hasPort(rule: Rule, port: number): boolean {
  return rule['ports'] === undefined || rule['ports'].some((allowed: Rule) => allowed['port'] === port);
}

function selects(peers: Rule[] | undefined, labels: Record<string, string>): boolean {
  return (peers ?? []).some(
    ({ podSelector, namespaceSelector }) =>
      podSelector !== undefined &&
      namespaceSelector === undefined &&
      isSubset(podSelector.matchLabels, labels),
  );
}

function isSubset(wanted: Record<string, string>, labels: Record<string, string>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

function isWithin({ ipBlock }: Rule, address: string): boolean {
  if (ipBlock === undefined) return false;
  return (
    inNetwork(ipBlock.cidr, address) &&
    !(ipBlock.except ?? []).some((cidr: string) => inNetwork(cidr, address))
  );
}

function inNetwork(cidr: string, address: string): boolean {
  const [network = '', bits = ''] = cidr.split('/');
  if (isIPv6(network) !== isIPv6(address)) return false;
  const family = isIPv6(network) ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(address, family);
}
