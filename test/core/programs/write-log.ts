import { createLogger, type LogOptions } from '../../../core/log.ts';

// Run by log.test.ts: logs the records of its argument and exits.
const { records, options } = JSON.parse(process.argv[2] ?? '{}') as {
  records: unknown[];
  options: Partial<LogOptions>;
};
const log = createLogger({ program: 'test', level: 'info', ...options });
for (const record of records) log.info(record === 'itself' ? cyclic() : record, 'logged');
process.stdout.write('result\n', () => process.exit(0));

function cyclic(): object {
  const record: Record<string, unknown> = { name: 'itself' };
  record['self'] = { again: record };
  return record;
}
