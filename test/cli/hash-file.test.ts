import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hashFound } from '../../cli/hash-file.ts';
import { siteFolder } from '../support/site-folder.ts';

test('a file that is found and can no longer be read is named, and is no bug to be reported', async () => {
  const root = await siteFolder({ 'a.txt': 'abc', 'folder/x': '' });
  const found = (path: string): { path: string; absolutePath: string } => ({
    path,
    absolutePath: join(root, path),
  });
  expect(await hashFound(found('a.txt'))).toMatchObject({ size: 3 });
  await expect(hashFound(found('gone.txt'))).rejects.toMatchObject({
    code: 'FILE_CHANGED',
    message: 'gone.txt vanished while it was being deployed.',
  });
  await expect(hashFound(found('folder'))).rejects.toMatchObject({
    code: 'CANNOT_PUBLISH',
    message: expect.stringMatching(/^folder cannot be read: /),
  });
});
