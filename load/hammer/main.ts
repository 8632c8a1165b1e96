import { runHammer } from './hammer.ts';

const write = (text: string): void => void process.stdout.write(`${text}\n`);

// The whole hammer: at least 200,000 observations and every fault at least twice, then the three runs that prove that
// it finds what each protection prevents.
const report = await runHammer({
  minObservations: Number(process.argv[2] ?? 400_000),
  maxDurationMs: 300_000,
  onEvent: write,
  logLevel: process.env['LOG_LEVEL'] ?? 'silent',
});
write(JSON.stringify({ ...report, violations: report.violations.length }, undefined, 2));
for (const violation of report.violations.slice(0, 5)) write(`violation: ${JSON.stringify(violation)}`);
process.exitCode = report.violations.length === 0 && report.observations >= 200_000 ? 0 : 1;

for (const protection of ['compareAndSet', 'generationCheck', 'leases'] as const) {
  const broken = await runHammer({
    protections: { [protection]: false },
    minObservations: Number.POSITIVE_INFINITY,
    maxDurationMs: 60_000,
    isStoppedByViolation: true,
    flipPauseMs: 80,
  });
  const found = broken.violations.length > 0;
  write(
    `without ${protection}: ${found ? 'found a violation' : 'found NOTHING'} in ${Math.round(broken.durationMs)} ms`,
  );
  if (!found) process.exitCode = 1;
}
