import type { DomainCertificate } from '../contracts/certificates.ts';
import type { Domain } from '../contracts/control-api.ts';
import { duration } from './format.ts';

/** One cell: what a domain's certificate is at, and when it ends. */
export function describeCertificate(certificate: DomainCertificate | null, nowMs: number): string {
  if (certificate === null) return '';
  const { state, notAfter } = certificate;
  const ends = notAfter === null ? '' : endOf(notAfter, nowMs);
  switch (state) {
    case 'unsupported':
      return 'none';
    case 'issued':
    case 'provided':
      return ends === '' ? state : `${state}, ${ends}`;
    case 'ordering':
      return ends === '' ? 'being ordered' : `being renewed, ${ends}`;
    case 'failed':
      return ends === '' ? 'failed' : `renewal failed, ${ends}`;
    case 'pending':
      return 'pending';
    default:
      return state satisfies never;
  }
}

/** Below the table: why a certificate is not there or not renewed, and when it is tried next. */
export function describeProblems(domains: readonly Domain[], nowMs: number): string {
  const lines = domains.flatMap(({ host, certificate }) => {
    if (certificate === null || certificate.reason === null) return [];
    const { reason, nextAttemptAt, state } = certificate;
    const isTried = state === 'failed' && nextAttemptAt !== null;
    const next = isTried ? ` Next attempt ${inTime(Date.parse(nextAttemptAt) - nowMs)}.` : '';
    return [`  ${host}: ${reason}${next}\n`];
  });
  return lines.length === 0 ? '' : `\n${lines.join('')}`;
}

function endOf(notAfter: string, nowMs: number): string {
  const date = notAfter.slice(0, 10);
  return Date.parse(notAfter) > nowMs ? `ends ${date}` : `ended ${date}`;
}

function inTime(ms: number): string {
  return ms <= 0 ? 'now' : `in ${ms < 3_600_000 ? duration(ms) : `${Math.round(ms / 3_600_000)} h`}`;
}
