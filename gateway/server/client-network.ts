import { isIPv4 } from 'node:net';

const MAPPED = '::ffff:';

/**
 * What stands for one client where clients are counted: an IPv4 address, or the first 64 bits of an IPv6 address, since
 * nobody is given less than that and anybody may use all of it.
 */
export function clientNetwork(address: string): string {
  if (!address.includes(':')) return address;
  if (address.startsWith(MAPPED) && isIPv4(address.slice(MAPPED.length))) return address.slice(MAPPED.length);
  const [front = '', back] = (address.split('%')[0] ?? '').split('::');
  const left = groupsOf(front);
  const right = groupsOf(back ?? '');
  const zeros = back === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

function groupsOf(part: string): string[] {
  return part === '' ? [] : part.split(':');
}
