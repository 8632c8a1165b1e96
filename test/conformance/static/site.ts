import { createHash } from 'node:crypto';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Manifest, StaticResource } from '../../../contracts/manifest.ts';
import type { SiteRecord } from '../../../contracts/site.ts';
import type { Resource } from './oracle.ts';

export const MAX_ENTRY_BYTES: number = 16 * 1024;
const PROJECT = 'project-1';
const DEPLOYMENT = 'deployment-1';

const IMMUTABLE = 'public, max-age=31536000, immutable';
const REVALIDATE = 'public, max-age=0, must-revalidate';
const HTML = 'text/html; charset=utf-8';

/** Bytes that no encoding makes smaller, the same in each run. */
function noise(length: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let block = 0; block * 32 < length; block += 1) {
    blocks.push(createHash('sha256').update(`${seed} ${block}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

const words = (count: number): Buffer =>
  Buffer.from(Array.from({ length: count }, (_, index) => `word ${index % 97} of the page`).join('\n'));

type Entry = {
  resource: Resource;
  /** What the manifest says about it beside its paths. */
  manifest: Partial<StaticResource>;
  /** Whether the encoded forms are made by the edge itself: the oracle learns their bytes when they are there. */
  isMadeHere?: boolean;
};

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function encoded(identity: Buffer, codings: readonly ('br' | 'zstd' | 'gzip')[]): Resource['forms'] {
  const make = { br: brotliCompressSync, zstd: zstdCompressSync, gzip: gzipSync };
  return {
    identity,
    ...Object.fromEntries(codings.map((coding) => [coding, make[coding](identity)])),
  };
}

function entry(
  resource: Omit<Resource, 'hasTag' | 'varies'> & Partial<Resource>,
  manifest: Entry['manifest'] = {},
): Entry {
  const { identity, ...forms } = resource.forms;
  const encodings = Object.fromEntries(
    Object.entries(forms).map(([coding, bytes]) => [coding, { hash: sha256(bytes), size: bytes.length }]),
  );
  const varies = Object.keys(forms).length > 0;
  return {
    resource: { hasTag: true, varies, ...resource },
    manifest: { hash: sha256(identity), size: identity.length, encodings, ...manifest },
  };
}

const entries: readonly Entry[] = [
  entry({
    name: 'a page in every encoding',
    path: '/page.html',
    forms: encoded(words(200), ['br', 'zstd', 'gzip']),
    contentType: HTML,
    cacheControl: REVALIDATE,
  }),
  entry({
    name: 'a fingerprinted script in two encodings',
    path: '/assets/app.4f9a01bc.js',
    forms: encoded(words(300), ['br', 'gzip']),
    contentType: 'text/javascript; charset=utf-8',
    cacheControl: IMMUTABLE,
  }),
  entry({
    name: 'a small text',
    path: '/small.txt',
    forms: { identity: Buffer.from('twelve bytes') },
    contentType: 'text/plain; charset=utf-8',
    cacheControl: REVALIDATE,
  }),
  entry({
    name: 'an image under a name with spaces',
    path: '/an image (ü).png',
    forms: { identity: noise(5000, 'image') },
    contentType: 'image/png',
    cacheControl: REVALIDATE,
  }),
  entry({
    name: 'an empty file',
    path: '/empty.css',
    forms: { identity: Buffer.alloc(0) },
    contentType: 'text/css; charset=utf-8',
    cacheControl: REVALIDATE,
  }),
  entry(
    {
      name: 'a file of an old manifest, dated by the bucket',
      path: '/old.bin',
      forms: { identity: noise(3000, 'old') },
      contentType: 'application/octet-stream',
      cacheControl: REVALIDATE,
    },
    { hash: undefined, size: undefined, encodings: undefined },
  ),
  {
    ...entry(
      {
        name: 'a text of an old manifest, encoded here',
        path: '/old.txt',
        forms: { identity: words(150) },
        contentType: 'text/plain; charset=utf-8',
        cacheControl: REVALIDATE,
        varies: true,
      },
      { hash: undefined, size: undefined, encodings: undefined },
    ),
    isMadeHere: true,
  },
  {
    ...entry(
      {
        name: 'a hashed style sheet, encoded here',
        path: '/made.css',
        forms: { identity: words(400) },
        contentType: 'text/css; charset=utf-8',
        cacheControl: REVALIDATE,
        varies: true,
      },
      { encodings: undefined },
    ),
    isMadeHere: true,
  },
  entry({
    name: 'a large file, streamed',
    path: '/large.pdf',
    forms: { identity: noise(20_000, 'large') },
    streamed: ['identity'],
    contentType: 'application/pdf',
    cacheControl: REVALIDATE,
  }),
  entry(
    {
      name: 'a large file of an old manifest: a date, but no tag',
      path: '/large-old.pdf',
      forms: { identity: noise(21_000, 'large-old') },
      hasTag: false,
      streamed: ['identity'],
      contentType: 'application/pdf',
      cacheControl: REVALIDATE,
    },
    { hash: undefined, size: undefined, encodings: undefined },
  ),
  entry({
    name: 'a large text whose encodings fit into memory',
    path: '/large.json',
    forms: encoded(words(1500), ['br', 'gzip']),
    streamed: ['identity'],
    contentType: 'application/json; charset=utf-8',
    cacheControl: REVALIDATE,
  }),
  entry(
    {
      name: 'a file with headers of its own and by rule',
      path: '/ruled/data.json',
      forms: encoded(words(200), ['br']),
      contentType: 'application/vnd.example+json',
      cacheControl: 'public, max-age=60, stale-while-revalidate=30',
      extra: {
        'access-control-allow-origin': '*',
        'x-own': 'yes',
        'x-list': 'one, two',
        vary: 'Origin',
      },
    },
    { headers: { 'X-Own': 'yes', 'X-Gone': 'no' } },
  ),
];

const RULES: NonNullable<Manifest['headers']> = [
  {
    for: '/ruled/*',
    set: [
      ['Access-Control-Allow-Origin', '*'],
      ['Cache-Control', 'public, max-age=60'],
      ['Content-Type', 'application/vnd.example+json'],
      ['Vary', 'Origin'],
      ['X-List', 'one'],
      ['ETag', '"forged"'],
      ['Content-Length', '1'],
    ],
  },
  {
    for: '/ruled/:file',
    set: [
      ['x-list', 'two'],
      ['cache-control', 'stale-while-revalidate=30'],
    ],
    remove: ['X-Gone'],
  },
];

export const resources: readonly Resource[] = entries.map(({ resource }) => resource);
export const madeHere: readonly Resource[] = entries
  .filter(({ isMadeHere }) => isMadeHere === true)
  .map(({ resource }) => resource);
/** Files that the edge dates by the bucket. */
export const dated: readonly Resource[] = entries
  .filter(({ manifest }) => manifest.hash === undefined)
  .map(({ resource }) => resource);

export const record: SiteRecord = {
  deploymentId: DEPLOYMENT,
  projectId: PROJECT,
  config: {
    version: 1,
    objects: 'by-hash',
    html: 'off',
    notFound: '404',
    headers: RULES,
    resources: entries.map(({ resource, manifest }): StaticResource => ({
      kind: 'static',
      urlPath: resource.path,
      resourcePath: resource.path.slice(1),
      ...manifest,
    })),
  },
};

/** Every object that the manifest names, by its key. */
export const objects: Readonly<Record<string, Buffer>> = Object.fromEntries(
  entries.flatMap(({ resource, manifest }) => {
    const { identity, ...forms } = resource.forms;
    const key =
      manifest.hash === undefined ? objectKey(resource) : `projects/${PROJECT}/objects/${manifest.hash}`;
    const encodedObjects = Object.values(forms).map((bytes): [string, Buffer] => [
      `projects/${PROJECT}/objects/${sha256(bytes)}`,
      bytes,
    ]);
    return [[key, identity] as [string, Buffer], ...encodedObjects];
  }),
);

export function objectKey(resource: Resource): string {
  return `deployments/${DEPLOYMENT}/${resource.path.slice(1)}`;
}
