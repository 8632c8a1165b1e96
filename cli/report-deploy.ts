import type { DeployEvent, DeploySummary } from './deploy.ts';
import { bytes, count, duration } from './format.ts';
import { paint, type Terminal } from './terminal.ts';

/** Shows a deploy as it happens: lines, and on a screen a bar that is drawn again. */
export function createDeployReporter(terminal: Terminal): {
  report: (event: DeployEvent) => void;
  end: () => void;
} {
  let isBarOpen = false;
  const clearBar = (): void => {
    if (isBarOpen) terminal.err('\r\u001B[K');
    isBarOpen = false;
  };
  return {
    end: clearBar,
    report(event) {
      if (event.kind === 'uploading') {
        if (!terminal.isInteractive) return;
        terminal.err(`\r\u001B[K${progressLine(event, terminal.columns)}`);
        isBarOpen = true;
        return;
      }
      clearBar();
      terminal.err(lineOf(event, terminal));
    },
  };
}

/** The last lines of a deploy. */
export function describeSummary(summary: DeploySummary, terminal: Terminal): string {
  const { result, uploaded, unchanged, durationMs } = summary;
  const parts = [
    count(summary.files, 'file'),
    ...(summary.functions > 0 ? [count(summary.functions, 'function')] : []),
    bytes(summary.bytes),
    `${uploaded.objects.toLocaleString('en')} uploaded`,
    `${unchanged.toLocaleString('en')} unchanged`,
    duration(durationMs),
  ];
  const shown = result.domains.filter(({ host }) => host !== result.deployment.previewHost);
  const urls = result.outcome === 'live' ? shown.map(({ url }) => url) : [];
  return [
    parts.join(', '),
    paint(terminal, result.outcome === 'live' ? 'green' : 'yellow', describeFlip(result)),
    ...urls.map((url) => `  ${paint(terminal, 'bold', url)}`),
    `  ${paint(terminal, 'dim', `this deployment for ever: ${result.deployment.previewUrl}`)}`,
    '',
  ].join('\n');
}

/** `live on 3 of 3 gateways after 9 ms`, and what is different when it is. */
export function describeFlip(result: DeploySummary['result']): string {
  switch (result.outcome) {
    case 'live':
      return describeLive(result);
    case 'superseded':
      return `complete, but not shown: the track shows a newer deployment (${result.supersededBy ?? 'unknown'})`;
    case 'preview':
      return 'complete; shown at its preview address only';
  }
  return result.outcome satisfies never;
}

function describeLive({ acknowledged, expired, isComplete, durationMs }: DeploySummary['result']): string {
  if (!isComplete)
    return 'live; the cache server was not reached, so gateways follow as their leases run out';
  const total = acknowledged.length + expired.length;
  if (total === 0) return 'live; no gateway is running yet';
  const late = expired.length === 0 ? '' : ` (${expired.join(', ')} did not answer: the lease ran out)`;
  return `live on ${acknowledged.length} of ${count(total, 'gateway')} after ${duration(durationMs)}${late}`;
}

function lineOf(event: Exclude<DeployEvent, { kind: 'uploading' }>, terminal: Terminal): string {
  switch (event.kind) {
    case 'building':
      return `Deploying ${event.directory}\n`;
    case 'built':
      return builtLines(event.site, terminal);
    case 'begun':
      return warningLines(event.warnings, terminal);
    case 'finishing':
      return `${paint(terminal, 'dim', 'Going live …')}\n`;
  }
  return event satisfies never;
}

function builtLines(
  {
    directory,
    skipped,
    warnings,
  }: { directory: string; skipped: readonly { path: string }[]; warnings: readonly string[] },
  terminal: Terminal,
): string {
  const left = skipped.length === 0 ? '' : `, left out: ${summarizePaths(skipped.map(({ path }) => path))}`;
  return `${paint(terminal, 'dim', `  from ${directory}${left}`)}\n${warningLines(warnings, terminal)}`;
}

function summarizePaths(paths: readonly string[]): string {
  const shown = paths.slice(0, 3).join(', ');
  return paths.length > 3 ? `${shown} and ${paths.length - 3} more` : shown;
}

function warningLines(warnings: readonly string[], terminal: Terminal): string {
  return warnings.map((warning) => `${paint(terminal, 'yellow', 'Warning:')} ${warning}\n`).join('');
}

const BAR_CELLS = 24;

function progressLine(event: Extract<DeployEvent, { kind: 'uploading' }>, columns: number): string {
  const share = event.totalBytes === 0 ? 1 : event.bytes / event.totalBytes;
  const filled = Math.round(share * BAR_CELLS);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_CELLS - filled);
  const text = `Uploading ${bar} ${event.objects}/${event.totalObjects}, ${bytes(event.bytes)} of ${bytes(event.totalBytes)}`;
  return text.slice(0, columns - 1);
}
