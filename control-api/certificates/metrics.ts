import type { CertificateFailureKind, CertificateState } from '../../contracts/certificates.ts';
import { counter, gauge, observedGauge, type Registry } from '../../core/metrics.ts';
import type { Attended } from './attend.ts';

export type OrderResult = Exclude<Attended, 'kept'> | CertificateFailureKind;

export type CertificateMetrics = {
  ordered(result: OrderResult): void;
  set(measured: {
    counts: Record<CertificateState, number>;
    late: number;
    firstEndMs: number | undefined;
  }): void;
};

export function createCertificateMetrics(registry: Registry): CertificateMetrics {
  const orders = counter({
    registry,
    name: 'control_api_certificate_orders_total',
    help: 'Attempts at certificates by what came of them: issued, restored to the bucket, provided by somebody else, or the kind of failure.',
    labels: ['result'] as const,
  });
  const states = gauge({
    registry,
    name: 'control_api_certificates',
    help: 'Certificates of custom domains by state.',
    labels: ['state'] as const,
  });
  let late = 0;
  let firstEndSeconds = 0;
  observedGauge({
    registry,
    name: 'control_api_certificates_late',
    help: 'Certificates that should have been renewed: half of the margin has gone by.',
    read: () => late,
  });
  observedGauge({
    registry,
    name: 'control_api_certificates_first_expiry_seconds',
    help: 'Unix time at which the first of the ordered certificates ends; 0 without any.',
    read: () => firstEndSeconds,
  });
  return {
    ordered: (result) => orders.inc({ result }),
    set: (measured) => {
      for (const [state, count] of Object.entries(measured.counts)) states.set({ state }, count);
      late = measured.late;
      firstEndSeconds = (measured.firstEndMs ?? 0) / 1000;
    },
  };
}
