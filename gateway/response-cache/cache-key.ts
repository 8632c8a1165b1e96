import { normalizedPath, sortedQuery, type IgnoredQuery } from '../../cache/url-tag.ts';

/** Whatever a function may see of the address of a request is part of the key, and nothing else. */
export type KeyParts = {
  deploymentId: string;
  /** `http` or `https`, as the function is told. */
  proto: string;
  /** Normalised host: a function may put it into its links. */
  host: string;
  /** Path as received: a function need not take two spellings for one. */
  rawPath: string;
  search: string;
};

/** The primary key in clear, for this process alone. */
export function primaryKey(parts: KeyParts, ignored: IgnoredQuery): string {
  const { deploymentId, proto, host, rawPath, search } = parts;
  return `${deploymentId} ${proto}://${host}${normalizedPath(rawPath)}${sortedQuery(search, ignored)}`;
}
