import { describe, expect, test } from 'vitest';
import { findFingerprinted } from '../../contracts/fingerprint.ts';

const only = (path: string): boolean => findFingerprinted([path]).has(path);

describe('findFingerprinted', () => {
  test.each([
    'assets/index-BxY3a9Zk.js',
    'assets/index-B7Kq-1aX.css',
    'assets/logo-D3f_Gh1k.svg',
    'static/js/main.3f2a1b9c.js',
    'static/css/main.3f2a1b9c.chunk.css',
    'js/app.8a7b6c5d4e3f2a1b.js',
    'main-QF4ZB3XL.js',
    'main.3f2a1b9c.js.map',
    'styles.d41d8cd98f00b204e9800998ecf8427e.css',
    '_astro/hoisted.DiwrgTda.js',
    '_nuxt/entry.js',
    '_next/static/chunks/main-app.js',
    '_app/immutable/nodes/0.CQ2aaa.js',
    'font.1a2b3c4d.woff2',
    '3f2a1b9c4d5e.js',
  ])('%s is fingerprinted', (path) => {
    expect(only(path)).toBe(true);
  });

  test.each([
    'index.html',
    'page-3f2a1b9c.html',
    'app.js',
    'jquery-3.7.1.min.js',
    'assets/document.js',
    'assets/my-document.js',
    'assets/HomePage.svg',
    'assets/icon-HomePage.svg',
    'photo-20240115.jpg',
    'report-20240115a.pdf',
    'report-2024Jan15.pdf',
    'bundle12.js',
    'chapter-Chapter1.pdf',
    'assets/foo-Version2.js',
    'assets/foo-VERSION2.js',
    'deadbeef.js',
    '1699999999.jpg',
    'uploads/550e8400-e29b-41d4-a716-446655440000.png',
    'sw.js',
    'sw.3f2a1b9c.js',
    'manifest.3f2a1b9c.webmanifest',
    'favicon.ico',
    'minified-worker.js',
    'vs/editor/editor.main.js',
    'readme',
  ])('%s is not', (path) => {
    expect(only(path)).toBe(false);
  });

  test('a short name that could be a word counts beside one that cannot', () => {
    const paths = [
      'assets/index-DiwrgTda.js',
      'assets/index-BxY3a9Zk.css',
      'assets/my-document.js',
      'x-DiwrgTda.js',
    ];
    expect([...findFingerprinted(paths)].sort()).toEqual([
      'assets/index-BxY3a9Zk.css',
      'assets/index-DiwrgTda.js',
    ]);
    expect(only('assets/index-DiwrgTda.js')).toBe(false);
  });
});
