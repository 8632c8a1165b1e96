import * as k8s from '@pulumi/kubernetes';
import { PORT } from './arguments.ts';

export type NetworkPolicyOptions = {
  clientLabels: Readonly<Record<string, string>>;
  monitoringNamespaceLabels: Readonly<Record<string, string>> | undefined;
};

/**
 * Only the services may connect, and the cache itself calls nobody. Health and metrics are on the same port and
 * need no password, so who may scrape is said here too.
 */
export function createNetworkPolicy(
  name: string,
  namespace: string,
  { clientLabels, monitoringNamespaceLabels }: NetworkPolicyOptions,
): k8s.networking.v1.NetworkPolicy {
  const from: k8s.types.input.networking.v1.NetworkPolicyPeer[] = [
    { podSelector: { matchLabels: { ...clientLabels } } },
  ];
  if (monitoringNamespaceLabels !== undefined) {
    from.push({ namespaceSelector: { matchLabels: { ...monitoringNamespaceLabels } } });
  }
  return new k8s.networking.v1.NetworkPolicy(`${name}-network`, {
    metadata: { name, namespace },
    spec: {
      podSelector: { matchLabels: { app: name } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from, ports: [{ port: PORT, protocol: 'TCP' }] }],
      egress: [],
    },
  });
}
