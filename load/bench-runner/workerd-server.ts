import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findWorkerd } from '../../runner/workerd-binary.ts';
import { freePort } from '../../test/support/free-port.ts';
import { startProcess, type StartedProcess } from '../../test/support/process.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { ask } from '../support/ask.ts';

export type WorkerdServer = { port: number; pid: number; close(): Promise<unknown> };

/** One workerd process that serves a script of this folder; `bucketPort` is what its BUCKET binding reaches. */
export async function startWorkerdServer(
  script: string,
  directory: string,
  bucketPort: number,
): Promise<WorkerdServer> {
  await copyFile(fileURLToPath(new URL(script, import.meta.url)), join(directory, script));
  const port = await freePort();
  const path = join(directory, `${script}.capnp`);
  await writeFile(
    path,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "main", esModule = embed ${JSON.stringify(script)})],
      compatibilityDate = "2026-01-01",
      bindings = [(name = "LOADER", workerLoader = ()), (name = "BUCKET", service = "bucket")],
    )),
    (name = "bucket", external = (address = "127.0.0.1:${bucketPort}", http = ())),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`,
  );
  const started: StartedProcess = startProcess(findWorkerd(), { args: ['serve', '--experimental', path] });
  await waitUntil(async () => isListening(port));
  return { port, pid: started.pid, close: () => started.stop('SIGKILL') };
}

async function isListening(port: number): Promise<boolean> {
  try {
    await ask({ port, host: 'ready', path: '/' });
    return true;
  } catch {
    return false;
  }
}
