import { spawn, type ChildProcess } from 'node:child_process';

// Reads `+ pid` and `- pid`. The pipe ends when the supervisor does, however it ends, SIGKILL included: then
// whatever it left behind is killed and its directory removed.
const SCRIPT = `
pids=""
while read -r change pid; do
  if [ "$change" = "+" ]; then pids="$pids $pid"; continue; fi
  rest=""
  for known in $pids; do [ "$known" = "$pid" ] || rest="$rest $known"; done
  pids=$rest
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
rm -rf "$1"
`;

/** Sees to it that no function process outlives its supervisor. */
export class Guardian {
  readonly #directory: string;
  readonly #pids = new Set<number>();
  #shell: ChildProcess;
  #isClosed = false;

  /** `directory` is removed at the end, orderly or not. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#shell = this.#start();
  }

  watch(pid: number): void {
    this.#pids.add(pid);
    this.#tell(`+ ${pid}`);
  }

  unwatch(pid: number): void {
    if (this.#pids.delete(pid)) this.#tell(`- ${pid}`);
  }

  /** Lets the shell end, which removes the directory; resolves when it has. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const shell = this.#shell;
    if (shell.exitCode !== null || shell.signalCode !== null) return;
    const ended = new Promise((resolve) => shell.once('exit', resolve));
    shell.ref();
    shell.stdin?.end();
    await ended;
  }

  // Detached: a signal from the terminal must not end it before it has done its work.
  #start(): ChildProcess {
    const shell = spawn('/bin/sh', ['-c', SCRIPT, 'guardian', this.#directory], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      env: { PATH: '/usr/bin:/bin' },
    });
    shell.unref();
    // A guardian that somebody ended is replaced; until then a broken pipe says nothing new.
    shell.stdin?.on('error', () => {});
    shell.once('error', () => {});
    shell.once('exit', () => {
      if (this.#isClosed) return;
      this.#shell = this.#start();
      for (const pid of this.#pids) this.#tell(`+ ${pid}`);
    });
    return shell;
  }

  #tell(line: string): void {
    this.#shell.stdin?.write(`${line}\n`);
  }
}
