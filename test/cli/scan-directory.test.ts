import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { scanDirectory } from '../../cli/scan-directory.ts';
import { siteFolder } from '../support/site-folder.ts';

const LIMITS = { maxFiles: 10, maxFileBytes: 100, maxTotalBytes: 150 };

async function pathsOf(root: string): Promise<string[]> {
  return (await scanDirectory(root)).files.map(({ path }) => path);
}

describe('scanDirectory', () => {
  test('finds every file, whatever its name, in the order of the paths', async () => {
    const names = [
      'index.html',
      'a b/c d.txt',
      'ünï/日本.html',
      '100%.txt',
      'q?x#y.txt',
      'it\'s "x".txt',
      'a+b&c.txt',
    ];
    const root = await siteFolder(Object.fromEntries(names.map((name) => [name, name])));
    expect(await pathsOf(root)).toEqual(names.toSorted());
    const { totalBytes } = await scanDirectory(root);
    expect(totalBytes).toBe(names.reduce((sum, name) => sum + Buffer.byteLength(name), 0));
  });

  test('leaves out dotfiles and node_modules, keeps .well-known', async () => {
    const root = await siteFolder({
      'index.html': '',
      '.env': 'SECRET=1',
      '.git/config': '',
      '.well-known/security.txt': '',
      '.well-known/.hidden': '',
      'sub/.DS_Store': '',
      'node_modules/x/index.js': '',
    });
    const scan = await scanDirectory(root);
    expect(scan.files.map(({ path }) => path)).toEqual(['.well-known/security.txt', 'index.html']);
    expect(scan.skipped.map(({ path, reason }) => `${path} ${reason}`).sort()).toEqual([
      '.env dotfile',
      '.git dotfile',
      '.well-known/.hidden dotfile',
      'node_modules node_modules',
      'sub/.DS_Store dotfile',
    ]);
  });

  test('follows links that stay inside, refuses those that leave, and names each', async () => {
    const outside = await siteFolder({ 'secret.txt': 'secret' });
    const root = await siteFolder({ 'real/a.txt': 'a', 'b.txt': 'b' });
    await symlink('real', join(root, 'alias'));
    await symlink('b.txt', join(root, 'c.txt'));
    expect(await pathsOf(root)).toEqual(['alias/a.txt', 'b.txt', 'c.txt', 'real/a.txt']);
    await symlink(join(outside, 'secret.txt'), join(root, 'leak.txt'));
    await symlink('../', join(root, 'up'));
    await expect(scanDirectory(root)).rejects.toThrow(
      /leak\.txt: is a link that leaves(.|\n)*up: is a link that leaves/,
    );
  });

  test('a folder whose name begins with that of the root is still outside', async () => {
    const parent = await siteFolder({ 'site/index.html': '', 'site-private/key.txt': 'secret' });
    await symlink('../site-private/key.txt', join(parent, 'site/key.txt'));
    await expect(scanDirectory(join(parent, 'site'))).rejects.toThrow(
      'key.txt: is a link that leaves the folder',
    );
  });

  test('links in a circle end in a message, not in an endless walk', async () => {
    const root = await siteFolder({ 'a/b/index.html': '' });
    await symlink('../..', join(root, 'a/b/loop'));
    await symlink('self', join(root, 'self'));
    await expect(scanDirectory(root)).rejects.toThrow(/loop: is a link to a folder that contains it/);
    await expect(scanDirectory(root)).rejects.toThrow(
      /self: cannot be read: it is a link that leads back to itself/,
    );
  });

  test('refuses names that no URL or store can carry', async () => {
    const root = await siteFolder({ 'back\\slash.txt': '', 'line\nbreak.txt': '' });
    await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff, 0x66])]), '');
    await expect(scanDirectory(root)).rejects.toThrow('back\\\\slash.txt: its path contains a backslash');
    await expect(scanDirectory(root)).rejects.toThrow(
      'line\\nbreak.txt: its path contains a control character',
    );
    await expect(scanDirectory(root)).rejects.toThrow('holds a name that is not UTF-8');
  });

  test('refuses what is no file instead of waiting for it', async () => {
    const root = await siteFolder({ 'index.html': '' });
    const server = createServer().listen(join(root, 'socket'));
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    await expect(scanDirectory(root)).rejects.toThrow('socket: is neither a file nor a folder');
  });

  test('says which limit was passed, and by what', async () => {
    const big = await siteFolder({ 'big.bin': Buffer.alloc(101) });
    await expect(scanDirectory(big, LIMITS)).rejects.toThrow(
      'big.bin: has 101 bytes; at most 100 are allowed',
    );
    const many = await siteFolder(
      Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`${index}.txt`, ''])),
    );
    await expect(scanDirectory(many, LIMITS)).rejects.toThrow('there are more than 10 files');
    const heavy = await siteFolder({ a: Buffer.alloc(80), b: Buffer.alloc(80) });
    await expect(scanDirectory(heavy, LIMITS)).rejects.toThrow('add up to 160 bytes; at most 150');
  });

  test('an empty folder is empty, an absent one and a file are told apart', async () => {
    const root = await siteFolder({ 'file.txt': '' });
    await mkdir(join(root, 'empty'));
    expect(await pathsOf(join(root, 'empty'))).toEqual([]);
    await expect(scanDirectory(join(root, 'absent'))).rejects.toThrow('it does not exist');
    await expect(scanDirectory(join(root, 'file.txt'))).rejects.toThrow('is not a folder');
  });
});
