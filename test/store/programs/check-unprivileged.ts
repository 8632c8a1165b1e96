import { silentLogger } from '../../../core/log.ts';
import { openStore } from '../../../store/open-store.ts';

// Run by directory-store.test.ts: the system's administrator may read everything, so a test that is run by
// one gives up that right first. Everything needed is imported by now.
const NOBODY = 65_534;
if (process.getuid?.() === 0) process.setuid?.(NOBODY);

const store = openStore({ kind: 'directory', root: process.argv[2] ?? '' }, { log: silentLogger() });
const result = await store.check().then(
  () => 'no failure',
  (error: unknown) => String(error),
);
process.stdout.write(`checked: ${result}\n`);
