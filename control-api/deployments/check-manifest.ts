import { checkRedirects } from '../../contracts/check-redirects.ts';
import type { Manifest, Resource } from '../../contracts/manifest.ts';
import { checkHeaderRules, checkHeaders } from './check-headers.ts';

export type ManifestLimits = { maxObjectBytes: number; maxResources: number };

export type CheckedManifest = {
  problems: string[];
  warnings: string[];
  /** Size by content hash, each once. */
  objects: Map<string, number>;
  files: number;
  functions: number;
  /** Of all resources, those with the same content counted each time. */
  bytes: number;
};

/** Whether a new deployment may have this manifest, and what it consists of. Pure. */
export function checkManifest(manifest: Manifest, limits: ManifestLimits): CheckedManifest {
  const checked: CheckedManifest = {
    problems: [],
    warnings: [],
    objects: new Map(),
    files: 0,
    functions: 0,
    bytes: 0,
  };
  const { resources } = manifest;
  if (resources.length > limits.maxResources) {
    checked.problems.push(
      `the manifest has ${resources.length} resources; at most ${limits.maxResources} are allowed`,
    );
    return checked;
  }
  for (const resource of resources) addResource(checked, resource, limits);
  checked.problems.push(...duplicates(resources));
  const redirects = checkRedirects(manifest);
  checked.problems.push(...redirects.errors, ...checkHeaderRules(manifest.headers ?? []));
  checked.warnings.push(...redirects.warnings);
  return checked;
}

function addResource(checked: CheckedManifest, resource: Resource, { maxObjectBytes }: ManifestLimits): void {
  const name = resource.urlPath;
  const { hash, size } = resource;
  if (resource.kind === 'static') checked.files += 1;
  else checked.functions += 1;
  if (hasControlCharacter(name))
    checked.problems.push(`${JSON.stringify(name)}: the path has a control character`);
  checked.problems.push(
    ...checkHeaders(Object.entries(resource.headers ?? {})).map((problem) => `${name}: ${problem}`),
  );
  if (hash === undefined || size === undefined) {
    checked.problems.push(`${name}: \`hash\` (SHA-256, lower-case hex) and \`size\` (bytes) are required`);
    return;
  }
  if (size > maxObjectBytes)
    checked.problems.push(`${name}: ${size} bytes; at most ${maxObjectBytes} are allowed`);
  const known = checked.objects.get(hash);
  if (known !== undefined && known !== size) {
    checked.problems.push(`${name}: the same hash stands with ${known} and ${size} bytes`);
  }
  checked.objects.set(hash, size);
  checked.bytes += size;
}

/** Two files at one URL, or two functions that answer the same method of one route. */
function duplicates(resources: readonly Resource[]): string[] {
  const seen = new Set<string>();
  const problems = new Set<string>();
  for (const resource of resources) {
    const methods = resource.kind === 'static' || !resource.methods?.length ? [''] : resource.methods;
    for (const method of methods) {
      const key = `${resource.kind} ${method} ${resource.urlPath}`;
      if (seen.has(key)) problems.add(`${resource.urlPath}: stands twice in the manifest`);
      seen.add(key);
    }
  }
  return [...problems];
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
