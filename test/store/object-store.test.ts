import { silentLogger } from '../../core/log.ts';
import { openStore } from '../../store/open-store.ts';
import { startS3Server } from '../support/s3-server.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { describeObjectStore } from './conformance.ts';

describeObjectStore('a directory', async () => {
  const directory = await makeTempDir('store');
  const store = openStore({ kind: 'directory', root: directory.path }, { log: silentLogger() });
  return {
    store,
    async close() {
      await store.close();
      await directory.remove();
    },
  };
});

describeObjectStore('an S3 bucket', async () => {
  const server = await startS3Server({ pageSize: 7 });
  const store = openStore(server.config, { log: silentLogger() });
  return {
    store,
    async close() {
      await store.close();
      await server.close();
    },
  };
});
