import { setTimeout as sleep } from 'node:timers/promises';
import { startCacheServer, type CacheServer } from '../../test/support/cache-server.ts';
import type { TcpProxy } from '../../test/support/tcp-proxy.ts';

/** `begin` brings the fault about, `end` takes its cause away. */
export type CacheFault = {
  name: string;
  begin(server: CacheServer, proxy: TcpProxy): Promise<void>;
  end(server: CacheServer, proxy: TcpProxy): Promise<void>;
};

const FILLER_KEYS = 4000;
/** Microseconds for each key: about 4 s of loading, as with a large snapshot. */
const SLOW_LOAD = ['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024'];

/** Every way in which a cache server fails, brought about for real. */
export function allFaults(): CacheFault[] {
  return [killed(), stopped(), slowSnapshot(), replica(), outOfMemory(), wrongPassword(), cuts(), latency()];
}

function killed(): CacheFault {
  return {
    name: 'killed (SIGKILL), started again empty',
    begin: (server) => server.kill(),
    end: (server) => server.restart(),
  };
}

function stopped(): CacheFault {
  return {
    name: 'stopped (SIGSTOP), connections open',
    begin: async (server) => server.pause(),
    end: async (server) => server.resume(),
  };
}

function slowSnapshot(): CacheFault {
  return {
    name: 'restarted, loading a snapshot (LOADING)',
    begin: async (server) => {
      await withAdmin(server, async (admin) => {
        const fill = admin.pipeline();
        for (let index = 0; index < FILLER_KEYS; index += 1) fill.set(`filler:${index}`, 'x');
        await fill.exec();
        await admin.save();
      });
      await server.restart(SLOW_LOAD);
    },
    end: async (server) => {
      // The cause ends by itself, when the snapshot is read.
      await withAdmin(server, async (admin) => {
        while (!/^loading:0/m.test(await admin.info('persistence'))) await sleep(50);
      });
    },
  };
}

function replica(): CacheFault {
  let primary: CacheServer | undefined;
  return {
    name: 'turned into a read-only replica (READONLY)',
    begin: async (server) => {
      const other = await startCacheServer({ kind: server.kind });
      primary = other;
      await withAdmin(server, (admin) => admin.replicaof('127.0.0.1', other.port));
    },
    end: async (server) => {
      await withAdmin(server, (admin) => admin.replicaof('NO', 'ONE'));
      await primary?.close();
    },
  };
}

function outOfMemory(): CacheFault {
  return {
    name: 'out of memory (OOM), evicting nothing',
    begin: (server) => withAdmin(server, (admin) => admin.config('SET', 'maxmemory', '1mb')),
    end: (server) => withAdmin(server, (admin) => admin.config('SET', 'maxmemory', '0')),
  };
}

function wrongPassword(): CacheFault {
  let admin: ReturnType<CacheServer['admin']> | undefined;
  return {
    name: 'password changed, connections closed (NOAUTH)',
    begin: async (server) => {
      admin = server.admin();
      await admin.call('ACL', 'SETUSER', 'default', 'resetpass', '>another');
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes');
    },
    end: async () => {
      await admin?.call('ACL', 'SETUSER', 'default', 'nopass');
      admin?.disconnect();
    },
  };
}

function cuts(): CacheFault {
  let timer: NodeJS.Timeout | undefined;
  return {
    name: 'a connection cut at random every 100 ms',
    begin: async (_server, proxy) => {
      timer = setInterval(() => proxy.cutOne(Math.random()), 100);
    },
    end: async () => clearInterval(timer),
  };
}

function latency(): CacheFault {
  return {
    name: '300 ms of latency on every command',
    begin: async (_server, proxy) => proxy.setDelayMs(300),
    end: async (_server, proxy) => proxy.setDelayMs(0),
  };
}

async function withAdmin(
  server: CacheServer,
  act: (admin: ReturnType<CacheServer['admin']>) => Promise<unknown>,
): Promise<void> {
  const admin = server.admin();
  await act(admin);
  admin.disconnect();
}
