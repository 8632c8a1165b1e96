import { styleText } from 'node:util';

/** Where a command writes. Results go to `out`, which scripts read; progress and messages go to `err`. */
export type Terminal = {
  out: (text: string) => void;
  err: (text: string) => void;
  /** Whether `err` is a screen on which a line can be drawn again. */
  isInteractive: boolean;
  hasColor: boolean;
  columns: number;
};

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Text in a style, on a terminal that has colours. */
export function paint(terminal: Pick<Terminal, 'hasColor'>, style: Style, text: string): string {
  return terminal.hasColor ? styleText(style, text, { validateStream: false }) : text;
}

/** The terminal of this process; https://no-color.org is respected. */
export function processTerminal(env: Readonly<Record<string, string | undefined>>): Terminal {
  const { stdout, stderr } = process;
  const isPlain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    isInteractive: stderr.isTTY && !isCi(env),
    hasColor: stderr.isTTY && stdout.isTTY && !isPlain,
    // A terminal that does not know its own width says 0.
    columns: (stderr.isTTY ? stderr.columns : 0) || 80,
  };
}

function isCi(env: Readonly<Record<string, string | undefined>>): boolean {
  return (env['CI'] ?? '') !== '' && env['CI'] !== 'false';
}
