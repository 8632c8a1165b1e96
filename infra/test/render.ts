import * as pulumi from '@pulumi/pulumi';
import type { BucketSettings } from '../src/platform/settings.ts';

/** A resource as the engine is told of it, secrets unwrapped. */
export type Resource = { type: string; name: string; inputs: Record<string, any> };

export const SECRETS: {
  bucket: BucketSettings;
  databaseUrl: string;
  controlApiToken: string;
  runnerSharedSecret: string;
  environmentKey: string;
  cachePasswords: Record<string, string>;
} = {
  bucket: {
    url: 'https://s3.example',
    name: 'deployments',
    accessKey: 'bucket-access-key',
    secretKey: 'bucket-secret-key',
  },
  databaseUrl: 'postgres://origan:database-password@10.9.0.5:5432/origan',
  controlApiToken: 'token-of-the-first-administrator',
  runnerSharedSecret: 'shared-secret-of-the-runners',
  environmentKey: 'ab'.repeat(32),
  cachePasswords: { gateway: 'g'.repeat(32), runner: 'r'.repeat(32), 'control-api': 'c'.repeat(32) },
};

const REQUIRED = { image: 'example/origan-edge:0.1.0', deployDomain: 'sites.example', namespace: 'edge' };

/** How Pulumi marks a secret on its way to the engine. */
const SIGNATURE = '4dabf18193072939515e22adb298388d';

let created: Resource[] = [];

// Registered before anything that makes resources is loaded, as Pulumi wants it.
await pulumi.runtime.setMocks(
  {
    newResource({ type, name, inputs }) {
      const state = structuredClone(inputs) as Record<string, any>;
      created.push({ type, name, inputs: unwrap(state) });
      // The name that the engine gives to what has none.
      if (state['metadata'] !== undefined) state['metadata'].name ??= `${name}-0a1b2c3`;
      return { id: `${name}-id`, state };
    },
    call: ({ inputs }) => inputs as Record<string, unknown>,
  },
  'origan-edge',
  'test',
);
const { createPlatform } = await import('../src/platform/platform.ts');
const { readSettings } = await import('../src/platform/settings.ts');

/** Everything that the program makes with this configuration. */
export async function render(config: Record<string, unknown> = {}): Promise<Resource[]> {
  created = [];
  const given = { ...REQUIRED, ...SECRETS, ...config };
  const texts = Object.entries(given)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [`origan-edge:${key}`, typeof value === 'string' ? value : JSON.stringify(value)]);
  pulumi.runtime.setAllConfig(
    Object.fromEntries(texts),
    Object.keys(SECRETS).map((key) => `origan-edge:${key}`),
  );
  const mine = created;
  try {
    createPlatform(readSettings(new pulumi.Config('origan-edge')));
  } finally {
    // What was begun before a failure is not to turn up in the next one.
    await pulumi.runtime.disconnect();
  }
  return mine;
}

function unwrap(value: any): any {
  if (Array.isArray(value)) return value.map(unwrap);
  if (value === null || typeof value !== 'object') return value;
  if (SIGNATURE in value) return unwrap(value['value']);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unwrap(inner)]));
}

const WORKLOADS = /:(Deployment|StatefulSet|DaemonSet)$/;

/** The workload of a program, or of the cache. */
export function workload(resources: readonly Resource[], name: string): Record<string, any> {
  const found = resources.filter(
    ({ type, inputs }) => WORKLOADS.test(type) && inputs['metadata'].name === name,
  );
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} workloads ${name}`);
  return found[0].inputs;
}

export function workloads(resources: readonly Resource[]): Record<string, any>[] {
  return resources.filter(({ type }) => WORKLOADS.test(type)).map(({ inputs }) => inputs);
}

export function containerOf(of: Record<string, any>): Record<string, any> {
  const containers: Record<string, any>[] = of['spec'].template.spec.containers;
  if (containers[0] === undefined || containers.length !== 1) throw new Error('not one container');
  return containers[0];
}

/** The one resource of a type, with this name if there are several. */
export function one(resources: readonly Resource[], type: string, name?: string): Record<string, any> {
  const found = resources.filter(
    (resource) =>
      resource.type.endsWith(`:${type}`) && (name === undefined || resource.inputs['metadata'].name === name),
  );
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} of ${type} ${name}`);
  return found[0].inputs;
}

/** What the program in the pod sees as its environment, that of its Secret included. */
export function environmentOf(resources: readonly Resource[], name: string): Record<string, string> {
  const container = containerOf(workload(resources, name));
  const plain = (container['env'] as { name: string; value: string }[]).map(({ name: key, value }) => [
    key,
    value,
  ]);
  const secrets = (container['envFrom'] as { secretRef: { name: string } }[]).flatMap(({ secretRef }) => {
    const secret = resources.find(
      ({ type, name: own }) => type.endsWith(':Secret') && `${own}-0a1b2c3` === secretRef.name,
    );
    if (secret === undefined) throw new Error(`no secret ${secretRef.name}`);
    return Object.entries(secret.inputs['stringData'] as Record<string, string>);
  });
  return Object.fromEntries([...secrets, ...plain]);
}
