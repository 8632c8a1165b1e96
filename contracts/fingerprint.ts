/**
 * Which files have a hash of their content in their name, so that their URL never shows other bytes (RFC 8246).
 * A wrong yes keeps an old file in browsers for a year, a wrong no costs one revalidation: when in doubt, no.
 *
 * Names alone decide, since the algorithms differ (webpack and Parcel write hexadecimal, Rollup and Vite eight
 * characters of base64url, esbuild eight of base32). A short name of Rollup's can look like a word (`DiwrgTda`):
 * it counts where the same folder holds one that cannot be a word.
 */
export function findFingerprinted(paths: readonly string[]): Set<string> {
  const certain = new Set(paths.filter((path) => isFingerprinted(path)));
  const hashedFolders = new Set([...certain].filter((path) => ROLLUP_NAME.test(path)).map(folderOf));
  const likely = paths.filter(
    (path) => !NEVER.test(path) && hashedFolders.has(folderOf(path)) && isLikelyRollup(path),
  );
  return new Set([...certain, ...likely]);
}

/** Whether the name by itself leaves no doubt. */
export function isFingerprinted(path: string): boolean {
  if (NEVER.test(path)) return false;
  if (IMMUTABLE_FOLDER.test(path)) return true;
  const stem = path.slice(path.lastIndexOf('/') + 1).replace(EXTENSIONS, '');
  if (UUID.test(stem)) return false;
  const lastPiece = stem.slice(
    Math.max(stem.lastIndexOf('.'), stem.lastIndexOf('-'), stem.lastIndexOf('_')) + 1,
  );
  const lastEight = ROLLUP_NAME.exec(path)?.[1];
  return isHex(lastPiece) || isMixed(lastPiece) || (lastEight !== undefined && isMixed(lastEight));
}

/** Pages, and files whose address must stay the same for what they do. */
const NEVER = /(?:\.html?|\.webmanifest|(?:^|\/)(?:sw|service-?worker|manifest|robots|sitemap)\.[^/]*)$/i;

/** Folders in which bundlers put hashed files only: Astro, Nuxt, Next.js, SvelteKit. */
const IMMUTABLE_FOLDER = /(?:^|\/)(?:_astro|_nuxt|_next\/static|_app\/immutable)\/.*[^/]\.[a-z0-9]+$/i;

const EXTENSIONS = /(?:\.(?:min|chunk|module|bundle))?\.[A-Za-z0-9]+(?:\.map)?$/;

const ROLLUP_NAME = /[-.]([A-Za-z0-9_-]{8})\.[a-z0-9]+(?:\.map)?$/;

/** Names of uploads: unique, but nothing says that their content never changes. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Eight and more hexadecimal digits, letters among them, that are no date with a suffix. */
function isHex(text: string): boolean {
  return (
    /^[0-9a-f]{8,64}$/.test(text) && /[a-f]/.test(text) && /\d/.test(text) && !/^(?:19|20)\d{6}/.test(text)
  );
}

/** Upper case, lower case and digits alternate as in no word, abbreviation or date. */
function isMixed(text: string): boolean {
  return (
    /^[A-Za-z0-9_-]{8,32}$/.test(text) && /\d/.test(text) && /[A-Z]/.test(text) && changesOfKind(text) >= 4
  );
}

function isLikelyRollup(path: string): boolean {
  const text = ROLLUP_NAME.exec(path)?.[1];
  return text !== undefined && /[A-Z]/.test(text) && changesOfKind(text) >= 2;
}

/** How often neighbours are of different kinds (upper, lower, digit, other). */
function changesOfKind(text: string): number {
  const kinds = Array.from(text, (character) =>
    /[a-z]/.test(character) ? 'l' : /[A-Z]/.test(character) ? 'u' : /\d/.test(character) ? 'd' : 'o',
  );
  return kinds.filter((kind, index) => index > 0 && kind !== kinds[index - 1]).length;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}
