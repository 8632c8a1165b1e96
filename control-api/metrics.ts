import type { Counter, Histogram } from 'prom-client';
import { counter, histogram, type Registry } from '../core/metrics.ts';

export type ControlApiMetrics = {
  operations: Histogram<'operation' | 'status'>;
  flips: Counter<'outcome'>;
  flipSeconds: Histogram<'is_complete'>;
  encodedBytes: Counter<'coding'>;
  uploads: Counter<'outcome'>;
  queries: Counter<'operation'>;
};

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Label values are names of operations, statuses and outcomes: closed sets. */
export function createMetrics(registry: Registry): ControlApiMetrics {
  const metrics: ControlApiMetrics = {
    operations: histogram({
      registry,
      name: 'control_api_operation_seconds',
      help: 'Duration of operations, by name and HTTP status',
      labels: ['operation', 'status'],
      buckets: SECONDS,
    }),
    flips: counter({
      registry,
      name: 'control_api_flips_total',
      help: 'Finished deployments, promotions and rollbacks, by what came of them',
      labels: ['outcome'],
    }),
    flipSeconds: histogram({
      registry,
      name: 'control_api_flip_seconds',
      help: 'From the commit of a flip to the last acknowledgement of a gateway',
      labels: ['is_complete'],
      buckets: SECONDS,
    }),
    encodedBytes: counter({
      registry,
      name: 'control_api_encoded_bytes_total',
      help: 'Bytes of encoded forms that were made',
      labels: ['coding'],
    }),
    uploads: counter({
      registry,
      name: 'control_api_uploads_total',
      help: 'Uploaded objects: stored, or known already',
      labels: ['outcome'],
    }),
    queries: counter({
      registry,
      name: 'control_api_database_queries_total',
      help: 'Queries that operations sent to the database, by name of the operation',
      labels: ['operation'],
    }),
  };
  // There from the start, so that the first of a kind is an increase for whoever watches.
  for (const isComplete of ['true', 'false']) metrics.flipSeconds.zero({ is_complete: isComplete });
  return metrics;
}
