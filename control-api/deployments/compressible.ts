import mime from 'mime-types';

const COMPRESSIBLE =
  /^(?:text\/|application\/(?:(?:.*[+.-])?(?:json|xml|javascript|ecmascript|x-javascript|wasm|yaml|toml|graphql|sql|rtf|tar|pgp-keys)$|vnd\.ms-fontobject$|x-sh$|x-tar$|postscript$)|image\/(?:svg\+xml|bmp|x-icon|vnd\.microsoft\.icon|x-ms-bmp)$|font\/(?:ttf|otf|collection)$|model\/|message\/)/;

/** Whether files of this path's type get smaller when they are encoded. Unknown types do not. */
export function isCompressible(path: string): boolean {
  const type = mime.lookup(path);
  return type !== false && COMPRESSIBLE.test(type);
}
