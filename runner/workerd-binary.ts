import { createRequire } from 'node:module';
import { z } from 'zod';

// The package ships no types: its default export is the path of the binary for this platform.
const workerdPackage = z.object({ default: z.string() });

/** Path of workerd's binary. @throws when the package has none for this platform. */
export function findWorkerd(): string {
  return workerdPackage.parse(createRequire(import.meta.url)('workerd')).default;
}
