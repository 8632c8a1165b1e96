import { allFaults } from './faults.ts';
import { runFault, whatIsWrong, type FaultReport } from './run-fault.ts';

// Prints the table of docs/cache.md: what each fault of the cache server costs the requests for known domains.
const write = (text: string): void => void process.stdout.write(`${text}\n`);
const round = (value: number): string => value.toFixed(value < 10 ? 1 : 0);

const row = (report: FaultReport): string =>
  `| ${[
    report.name,
    report.requests,
    report.failed,
    `${round(report.healthyP99Ms)} ms`,
    `${round(report.faultyP99Ms)} ms`,
    `${round(report.recoveryMs)} ms`,
    report.logLines,
  ].join(' | ')} |`;

write('| Fault | Requests | Failed | p99 healthy | p99 with fault | Recovered after | Log lines |');
write('|---|---|---|---|---|---|---|');
for (const fault of allFaults()) {
  const report = await runFault(fault, { durationMs: 3000, callers: 20 });
  write(row(report));
  const wrong = whatIsWrong(report);
  if (wrong === undefined) continue;
  write(`  ^ ${wrong}`);
  process.exitCode = 1;
}
