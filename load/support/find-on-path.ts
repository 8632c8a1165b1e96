import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The program's path, or undefined when it is not installed. */
export function findOnPath(program: string): string | undefined {
  // Debian keeps servers where the path of ordinary users does not look.
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  return directories.map((directory) => join(directory, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there, or not for us: the next directory may have it.
    return false;
  }
}
