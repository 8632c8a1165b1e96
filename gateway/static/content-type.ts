import mime from 'mime-types';

// Types beside text/* whose bytes are text, or fonts and images without a compression of their own.
const COMPRESSIBLE: ReadonlySet<string> = new Set([
  'application/javascript',
  'application/json',
  'application/wasm',
  'application/x-javascript',
  'application/xml',
  'application/rtf',
  'application/toml',
  'application/vnd.ms-fontobject',
  'application/x-ndjson',
  'application/x-sh',
  'application/x-web-app-manifest+json',
  'application/x-yaml',
  'application/yaml',
  'font/otf',
  'font/ttf',
  'font/collection',
  'image/bmp',
  'image/vnd.microsoft.icon',
  'image/x-icon',
]);

/** By the logical path, with charset for text (RFC 9110 section 8.3). */
export function contentTypeOf(path: string): string {
  const type = mime.lookup(path);
  return (type !== false && mime.contentType(type)) || 'application/octet-stream';
}

/** Whether encoding usually saves bytes: formats that are compressed already stay as they are. */
export function isCompressible(contentType: string): boolean {
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  return (
    type.startsWith('text/') || type.endsWith('+json') || type.endsWith('+xml') || COMPRESSIBLE.has(type)
  );
}

/** Whether the path names a file that browsers never show as a page: a script, an image, a font. */
export function isAssetPath(path: string): boolean {
  const type = mime.lookup(path);
  return type !== false && type !== 'text/html' && type !== 'application/xhtml+xml';
}
