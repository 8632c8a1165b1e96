import { randomBytes } from 'node:crypto';

// A random start for each process, then a counter: unique without asking the system for randomness each time.
const prefix = randomBytes(6).toString('base64url');
let count = 0;

/** An id that is unique among all processes: safe in headers, logs and pages. */
export function nextRequestId(): string {
  count += 1;
  return `${prefix}-${count.toString(36)}`;
}
