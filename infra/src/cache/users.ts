/** A service that uses the cache, with the keys and channels that it may touch. */
export type CacheUser = {
  name: string;
  /** Patterns of keys, without a prefix of the environment. */
  keys: readonly string[];
};

/** The services of Origan edge: each has a user of its own and sees what it needs. */
export const SERVICES: readonly CacheUser[] = [
  {
    name: 'gateway',
    keys: [
      'domain:*',
      'deployment:*',
      'response:*',
      'tag:*',
      'gateway:*',
      'hot:*',
      'probe:*',
      'bus',
      'bus:*',
    ],
  },
  { name: 'runner', keys: ['deployment:*', 'probe:*', 'bus', 'bus:*'] },
  { name: 'control-api', keys: ['*'] },
];

/**
 * The lines of the server's ACL file. Nobody gets in without a user, and no user may do what only an operator
 * should. One space between words and none at an end: Dragonfly splits at every space.
 *
 * @throws when a password is missing or contains white space.
 */
export function aclFile(passwords: Readonly<Record<string, string>>, keyPrefix = ''): string {
  const lines = SERVICES.map(({ name, keys }) => {
    const password = passwords[name];
    if (password === undefined || !/^\S{16,}$/.test(password)) {
      throw new Error(`the password of ${name} must have 16 characters or more, and no white space`);
    }
    const patterns = keys.map((key) => `~${keyPrefix}${key}`).join(' ');
    return `user ${name} on >${password} ${patterns} &${keyPrefix}bus:* +@all -@admin -@dangerous +info`;
  });
  return `${['user default off -@all', ...lines].join('\n')}\n`;
}
