import { INTERNAL_PATH_PREFIX } from '../../runner-client/contract.ts';

const INTERNAL_SEGMENT = INTERNAL_PATH_PREFIX.replaceAll('/', '');
const MAX_ROUNDS = 4;

/**
 * Whether a raw path could lead to the runner's internal endpoints, however its reader decodes it: escapes (nested ones
 * too), case, backslashes, repeated slashes and dot segments are all taken in their most harmful meaning.
 */
export function isInternalPath(rawPath: string): boolean {
  // Nearly every path: no escape and no dot or empty segment stands before the name.
  if (!MAY_BE_INTERNAL.test(rawPath)) return false;
  let path = rawPath;
  for (let round = 0; round < MAX_ROUNDS && path.includes('%'); round += 1) path = decodeLeniently(path);
  return path
    .toLowerCase()
    .split(/[/\\;]+/)
    .includes(INTERNAL_SEGMENT);
}

const MAY_BE_INTERNAL = /%|origan/i;

function decodeLeniently(path: string): string {
  return path.replaceAll(/%([0-9a-f]{2})/gi, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
