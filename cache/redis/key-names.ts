/** From logical names to those on the server. */
export type KeyNames = {
  physical: (name: string) => string;
  /** The logical name again; undefined for a key that is not under our prefix. */
  logical: (physical: string) => string | undefined;
  pattern: (glob: string) => string;
};

/**
 * Puts the prefix before a name and, on a cluster, braces around the part that names the owner: keys written or
 * read by one script (a lock and its fence) must share a slot, and so must the keys of one deployment.
 */
export function keyNames(prefix: string, isCluster: boolean): KeyNames {
  const tagged = isCluster ? withHashTag : (name: string): string => name;
  return {
    physical: (name) => prefix + tagged(name),
    logical: (physical) => {
      if (!physical.startsWith(prefix)) return undefined;
      const name = physical.slice(prefix.length);
      return isCluster ? withoutHashTag(name) : name;
    },
    pattern: (glob) => escapeGlob(prefix) + (isCluster ? clusterGlob(glob) : glob),
  };
}

/** `deployment:42:config` → `deployment:{42}:config`; hosts may hold colons, so `domain:` takes all that follows. */
function withHashTag(name: string): string {
  const [kind = '', ...rest] = name.split(':');
  if (kind === 'domain' || kind === 'gateway') return `${kind}:{${rest.join(':')}}`;
  if (kind === 'bus') return `{bus}${name.slice(3)}`;
  if (kind === 'deploy' || kind === 'github') return tagRest(`${kind}:${rest[0]}`, rest.slice(1), 2);
  return tagRest(kind, rest, 1);
}

/** The way back. What comes behind the owner may have braces of its own. */
function withoutHashTag(name: string): string {
  const open = name.indexOf('{');
  const isAllOwner = /^(?:domain|gateway):/.test(name);
  const close = isAllOwner ? name.lastIndexOf('}') : name.slice(open).search(/\}(?=:|$)/) + open;
  return close <= open ? name : name.slice(0, open) + name.slice(open + 1, close) + name.slice(close + 1);
}

function tagRest(head: string, rest: string[], parts: number): string {
  const tail = rest.slice(parts);
  return [`${head}:{${rest.slice(0, parts).join(':')}}`, ...tail].join(':');
}

function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\^]/g, String.raw`\$&`);
}

/** Where a brace may stand is unknown before a `*`, so the pattern allows one around every segment. */
function clusterGlob(glob: string): string {
  return glob.replace(/:(?=[^:])/g, ':*').replace(/\*+/g, '*');
}
