/**
 * A segment of a path, decoded exactly once. `%2F` stays an escape, since it is never a separator (RFC 3986 section 2.2).
 *
 * @throws URIError where a `%` begins no escape, or escapes are no UTF-8.
 */
export function decodeEscapes(segment: string): string {
  return segment
    .split(/(%2f)/i)
    .map((part) => (/^%2f$/i.test(part) ? '%2F' : decodeURIComponent(part)))
    .join('');
}
