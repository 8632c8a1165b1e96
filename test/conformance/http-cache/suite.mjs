// The released suite's own modules, from the packages of this folder.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);

/** A module of the suite, by its path in the package. */
export function suite(path) {
  return import(pathToFileURL(require.resolve(`http-cache-tests/${path}`)).href);
}
