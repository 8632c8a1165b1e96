import { isUnmarked, runHammer } from './hammer.ts';

const MIN_OBSERVATIONS = 200_000;

const write = (text: string): void => void process.stdout.write(`${text}\n`);

// The whole hammer, on one server and on a cluster: at least 200,000 observations each and every fault, then the three
// runs that prove that it finds what each protection prevents.
for (const topology of ['single', 'cluster'] as const) {
  const report = await runHammer({
    topology,
    minObservations: Number(process.argv[2] ?? MIN_OBSERVATIONS * 1.25),
    maxDurationMs: 1_200_000,
    onEvent: (text) => write(`${topology}: ${text}`),
  });
  write(JSON.stringify({ topology, ...report, violations: report.violations.length }, undefined, 2));
  for (const violation of report.violations.slice(0, 5)) write(`violation: ${JSON.stringify(violation)}`);
  const isWrong =
    report.violations.length + report.failures.length + report.absences + report.refusals.length > 0;
  if (isWrong || report.observations < MIN_OBSERVATIONS) process.exitCode = 1;
}

for (const protection of ['compareAndSet', 'generationCheck', 'leases'] as const) {
  const broken = await runHammer({
    protections: { [protection]: false },
    minObservations: Number.POSITIVE_INFINITY,
    maxDurationMs: 60_000,
    isStoppedByViolation: true,
    flipPauseMs: 80,
  });
  const found = broken.violations.some(isUnmarked);
  write(
    `without ${protection}: ${found ? 'found a violation' : 'found NOTHING'} in ${Math.round(broken.durationMs)} ms`,
  );
  if (!found) process.exitCode = 1;
}
