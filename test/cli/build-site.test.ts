import { createHash } from 'node:crypto';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseManifest, type Resource } from '../../contracts/manifest.ts';
import { buildSite, type BuiltSite } from '../../cli/build-site.ts';
import { siteFolder } from '../support/site-folder.ts';

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');

const find = (site: BuiltSite, urlPath: string): Resource | undefined =>
  site.manifest.resources.find((resource) => resource.urlPath === urlPath);

const routes = (site: BuiltSite): string[] =>
  site.manifest.resources.filter(({ kind }) => kind === 'dynamic').map(({ urlPath }) => urlPath);

/** Calls a bundled function as a runner does: imports the module and calls `default.fetch`. */
async function callFunction(
  site: BuiltSite,
  route: string,
  path: string,
  init?: RequestInit,
): Promise<Response> {
  const content = site.contents.get(find(site, route)?.hash ?? '');
  if (content?.source.kind !== 'bytes') throw new Error(`no code for ${route}`);
  const url = `data:text/javascript;base64,${content.source.bytes.toString('base64')}`;
  const module = (await import(url)) as {
    default: { fetch(request: Request, env: unknown): Promise<Response> };
  };
  return module.default.fetch(new Request(`http://site.test${path}`, init), { NAME: 'value' });
}

describe('buildSite: files', () => {
  test('the manifest names every file with its hash and size, and parses without a warning', async () => {
    const root = await siteFolder({
      'index.html': '<h1>Hi</h1>',
      'a b/ü.txt': 'text',
      'copy.txt': 'text',
      'assets/app-BxY3a9Zk.js': 'js',
      '404.html': 'gone',
      '.env': 'SECRET',
      _headers: '/*\n  X: y\n',
      _redirects: '/old /a 301\n',
      'sub/_headers': 'a file like any other',
    });
    const site = await buildSite({ directory: root });
    expect(site.manifest.resources.map(({ urlPath }) => urlPath)).toEqual([
      '/404.html',
      '/a b/ü.txt',
      '/assets/app-BxY3a9Zk.js',
      '/copy.txt',
      '/index.html',
      '/sub/_headers',
    ]);
    expect(find(site, '/index.html')).toEqual({
      kind: 'static',
      urlPath: '/index.html',
      resourcePath: 'index.html',
      hash: sha256('<h1>Hi</h1>'),
      size: 11,
    });
    expect(find(site, '/assets/app-BxY3a9Zk.js')).toMatchObject({ fingerprinted: true });
    expect(site.manifest).toMatchObject({
      objects: 'by-hash',
      html: 'auto',
      notFound: '404',
      headers: [{ for: '/*', set: [['X', 'y']] }],
      redirects: [{ from: '/old', to: '/a', status: 301 }],
    });
    expect(site.contents.size).toBe(5);
    const parsed = parseManifest(JSON.parse(JSON.stringify(site.manifest)));
    expect(parsed).toEqual({ kind: 'valid', manifest: site.manifest, warnings: [] });
  });

  test('a decomposed name answers at the composed address too', async () => {
    const root = await siteFolder({ 'index.html': '', ['u\u0308.html']: 'x' });
    const site = await buildSite({ directory: root });
    expect(find(site, '/\u00FC.html')?.hash).toBe(find(site, '/u\u0308.html')?.hash);
  });

  test.each([
    ['one page', { 'index.html': '' }, 'spa'],
    ['several pages', { 'index.html': '', 'about.html': '' }, '404'],
    ['a 404 page', { 'index.html': '', '404.html': '' }, '404'],
    ['a rule', { 'index.html': '', 'about.html': '', _redirects: '/* /index.html 200' }, 'spa'],
    ['origan.json', { 'index.html': '', 'origan.json': '{"notFound":"404"}' }, '404'],
  ])('what a missing page shows: %s', async (_, files, expected) => {
    const site = await buildSite({ directory: await siteFolder(files) });
    expect(site.manifest.notFound).toBe(expected);
  });

  test('says what is probably not meant', async () => {
    const root = await siteFolder({
      'about.html': '',
      'api/hello/index.html': '',
      'functions/api/hello.ts': 'export default () => new Response()',
    });
    const { warnings } = await buildSite({ directory: root });
    expect(warnings.join('\n')).toContain('no index.html at the root');
    expect(warnings.join('\n')).toContain('function at /api/hello is never called');
  });

  test('an empty folder is refused', async () => {
    await expect(buildSite({ directory: await siteFolder({}) })).rejects.toThrow('holds no files to deploy');
  });

  test('a wrong origan.json names every wrong key', async () => {
    const root = await siteFolder({ 'index.html': '', 'origan.json': '{"htlm":"auto","notFound":"500"}' });
    await expect(buildSite({ directory: root })).rejects.toThrow(/notFound(.|\n)*htlm|htlm(.|\n)*notFound/);
    const broken = await siteFolder({ 'index.html': '', 'origan.json': '{' });
    await expect(buildSite({ directory: broken })).rejects.toThrow('is not JSON');
  });
});

describe('buildSite: where the parts lie', () => {
  test('the folder that origan.json names, functions beside it', async () => {
    const root = await siteFolder({
      'origan.json': '{"directory":"web"}',
      'web/index.html': '',
      'functions/hi.ts': 'export default () => new Response("hi")',
      'README.md': '',
    });
    const site = await buildSite({ directory: root });
    expect(site.manifest.resources.map(({ urlPath }) => urlPath)).toEqual(['/index.html', '/hi']);
  });

  test('the build of a project, named or not, with the functions of the project', async () => {
    const root = await siteFolder({
      'package.json': '{}',
      'index.html': 'source',
      'dist/index.html': 'built',
      'functions/hi.ts': 'export default () => new Response("hi")',
    });
    for (const directory of [root, join(root, 'dist')]) {
      const site = await buildSite({ directory });
      expect(find(site, '/index.html')?.hash).toBe(sha256('built'));
      expect(routes(site)).toEqual(['/hi']);
    }
    expect(routes(await buildSite({ directory: root, functions: false }))).toEqual([]);
  });

  test('api/ holds functions only when one of its files is one', async () => {
    const docs = await siteFolder({
      'index.html': '',
      'api/index.html': '',
      'api/search.js': 'window.x = 1',
    });
    const site = await buildSite({ directory: docs });
    expect(site.manifest.resources.map(({ urlPath }) => urlPath)).toContain('/api/search.js');
    const app = await siteFolder({
      'index.html': '',
      'api/hello.js': 'export const GET = () => new Response()',
    });
    expect(routes(await buildSite({ directory: app }))).toEqual(['/api/hello']);
  });

  test('a folder named for functions must hold one', async () => {
    const root = await siteFolder({ 'index.html': '', 'lambda/readme.txt': '' });
    await expect(buildSite({ directory: root, functions: join(root, 'lambda') })).rejects.toThrow(
      'holds no functions',
    );
    await expect(buildSite({ directory: root, functions: join(root, 'no') })).rejects.toThrow(
      'There is no folder',
    );
  });
});

describe('buildSite: functions', () => {
  test('routes follow the names of the files', async () => {
    const handler = 'export default () => new Response()';
    const root = await siteFolder({
      'index.html': '',
      'functions/index.ts': handler,
      'functions/api/items/index.ts': handler,
      'functions/api/items/[id].ts': handler,
      'functions/api/items/[id]/parts/[part].js': handler,
      'functions/files/[...path].mts': handler,
      'functions/_shared/db.ts': handler,
      'functions/api/_helper.ts': handler,
      'functions/api/items/[id].test.ts': handler,
      'functions/types.d.ts': 'export {}',
      'functions/data.json': '{}',
    });
    const site = await buildSite({ directory: root });
    expect(routes(site).sort()).toEqual([
      '/',
      '/api/items',
      '/api/items/:id',
      '/api/items/:id/parts/:part',
      '/files/*',
    ]);
    expect(find(site, '/files/*')).toMatchObject({
      wildcard: true,
      resourcePath: 'functions/files/[...path].js',
    });
    expect(site.manifest.resources.filter(({ kind }) => kind === 'static')).toHaveLength(1);
  });

  test('every form of handler is called, with its parameters and its environment', async () => {
    const root = await siteFolder({
      'index.html': '',
      'functions/object.ts':
        'export default { word: "o", fetch(r, env) { return new Response(this.word + env.NAME) } }',
      'functions/named.ts': 'export function fetch() { return new Response("named") }',
      'functions/plain.js': 'module.exports = async () => new Response("plain")',
      'functions/items/[id].ts':
        'export const GET = (r: Request, e: unknown, c: { params: Record<string, string> }) => Response.json(c.params);\nexport async function POST(r: Request) { return new Response(await r.text(), { status: 201 }) }',
      'functions/files/[...path].ts': 'export default (r, e, c) => Response.json(c.params)',
      'functions/wrong.ts': 'export default () => "text"',
    });
    const site = await buildSite({ directory: root });
    const text = async (route: string, path: string): Promise<string> =>
      (await callFunction(site, route, path)).text();
    expect(await text('/object', '/object')).toBe('ovalue');
    expect(await text('/named', '/named')).toBe('named');
    expect(await text('/plain', '/plain')).toBe('plain');
    expect(await text('/items/:id', '/items/a%20b')).toBe('{"id":"a b"}');
    expect(await text('/files/*', '/files/a/b%2Fc')).toBe('{"path":"a/b/c"}');
    await expect(callFunction(site, '/wrong', '/wrong')).rejects.toThrow('did not return a Response');
    const posted = await callFunction(site, '/items/:id', '/items/1', { method: 'POST', body: 'x' });
    expect([posted.status, await posted.text()]).toEqual([201, 'x']);
    const head = await callFunction(site, '/items/:id', '/items/1', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    const refused = await callFunction(site, '/items/:id', '/items/1', { method: 'DELETE' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, POST, HEAD, OPTIONS']);
    expect(find(site, '/items/:id')).toMatchObject({ methods: ['GET', 'HEAD', 'POST'] });
    expect(find(site, '/object')).not.toHaveProperty('methods');
  });

  test('imports are bundled, packages and helpers included; Node modules are left to the runner', async () => {
    const root = await siteFolder({
      'package.json': '{}',
      'public/index.html': '',
      'node_modules/dep/package.json': '{"name":"dep","main":"index.js"}',
      'node_modules/dep/index.js':
        'const { createHash } = require("crypto"); exports.md5 = (t) => createHash("md5").update(t).digest("hex")',
      'functions/_helper.ts': 'export const word: string = "helped"',
      'functions/text.txt': 'text',
      'functions/x.ts':
        'import { md5 } from "dep"; import { word } from "./_helper.ts"; import { Buffer } from "node:buffer"; import t from "./text.txt"; export default () => new Response([word, t, md5("a"), Buffer.from("b").toString("hex")].join())',
    });
    const site = await buildSite({ directory: join(root, 'public') });
    expect(await (await callFunction(site, '/x', '/x')).text()).toBe(
      'helped,text,0cc175b9c0f1b6a831c399e269772661,62',
    );
  });

  test('the same sources give the same code wherever they lie', async () => {
    const files = {
      'index.html': '',
      'functions/_helper.ts': 'export const word: string = "helped"',
      'functions/x.ts': 'import { word } from "./_helper.ts"; export default () => new Response(word)',
    };
    const sites = [await siteFolder(files), await siteFolder(files)];
    const parent = await siteFolder({});
    await mkdir(join(parent, 'deep'));
    await symlink(sites[0] ?? '', join(parent, 'deep/link'));
    const built = await Promise.all(
      [...sites, join(parent, 'deep/link')].map(async (directory) => buildSite({ directory })),
    );
    expect(new Set(built.map((site) => find(site, '/x')?.hash)).size).toBe(1);
  });

  test.each([
    ['a syntax error', { 'functions/a.ts': 'export default (' }, /functions\/a\.ts:1:\d+: /],
    [
      'a missing import',
      { 'functions/a.ts': 'import "./no.ts"; export default () => 1' },
      /Could not resolve "\.\/no\.ts"/,
    ],
    [
      'two files for one route',
      { 'functions/a/[x].ts': 'export const GET = 1', 'functions/a/[y].ts': 'export const GET = 1' },
      /answers at the same route as/,
    ],
    ['a bad name', { 'functions/a[x].ts': 'export const GET = 1' }, /must be a plain name, \[name\] or/],
    ['a rest in the middle', { 'functions/[...a]/b.ts': 'export const GET = 1' }, /must be the last part/],
  ])('%s is one clear message', async (_, files, message) => {
    const root = await siteFolder({ 'index.html': '', ...files });
    await expect(buildSite({ directory: root })).rejects.toThrow(message);
  });
});
