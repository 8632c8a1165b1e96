/**
 * Why a path may not name an object, or undefined when it may. Nothing upstream validates the paths of a
 * manifest, so everything that builds an object key from outside input asks here first: a path that could
 * reach another object (dot segments, leading slash), or that stores treat differently (NUL, backslash,
 * empty segments, control characters), is refused.
 */
export function whyUnsafePath(path: string): string | undefined {
  if (path === '') return 'is empty';
  // The limit of S3, which counts bytes.
  if (Buffer.byteLength(path) > 1024) return 'is longer than 1024 bytes';
  if (path.startsWith('/')) return 'begins with a slash';
  if (path.includes('\\')) return 'contains a backslash';
  if (hasControlCharacter(path)) return 'contains a control character';
  if (!path.isWellFormed()) return 'is not well-formed Unicode';
  for (const segment of path.split('/')) {
    if (segment === '') return 'contains an empty segment';
    if (segment === '.' || segment === '..') return 'contains a dot segment';
  }
  return undefined;
}

/** Whether an id (deployment, project) may be a segment of an object key or a file path. */
export function isSafeId(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(id);
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
