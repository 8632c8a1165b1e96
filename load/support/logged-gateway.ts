import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess, type StartedProcess } from '../../test/support/process.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { pinnedTo } from './pin.ts';

export type LoggedGateway = { process: StartedProcess; close(): Promise<void> };

/**
 * A gateway that writes its log to `gateway.log` in the directory, as an installation does: read through a pipe here, it would
 * cost the generator's core its time, and the memory for all of it.
 *
 * @param core the one core that it runs on; undefined: wherever the system likes.
 * @throws Error when it ends before `isUp`.
 */
export async function startLoggedGateway(options: {
  directory: string;
  core: number | undefined;
  env: Readonly<Record<string, string>>;
  isUp: () => Promise<boolean>;
}): Promise<LoggedGateway> {
  const path = join(options.directory, 'gateway.log');
  const log = await open(path, 'a');
  const gateway = ['gateway/main.ts'];
  const { command, args } =
    options.core === undefined
      ? { command: process.execPath, args: gateway }
      : pinnedTo(options.core, process.execPath, gateway);
  const started = startProcess(command, { args, env: options.env, stderr: log.fd });
  const ended = started.exited.then(({ code }) => {
    throw new Error(`the gateway ended with code ${code}: see ${path}`);
  });
  await Promise.race([waitUntil(options.isUp), ended]);
  const close = async (): Promise<void> => {
    ended.catch(() => undefined);
    await started.stop();
    await log.close();
  };
  return { process: started, close };
}
