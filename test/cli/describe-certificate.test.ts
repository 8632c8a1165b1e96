import { describe, expect, test } from 'vitest';
import { describeCertificate, describeProblems } from '../../cli/describe-certificate.ts';
import { judgeCertificates } from '../../cli/judge-certificates.ts';
import type { CertificatesDiagnosis, DomainCertificate } from '../../contracts/certificates.ts';
import type { Domain } from '../../contracts/control-api.ts';

const NOW_MS = Date.parse('2026-03-01T12:00:00Z');
const issued: DomainCertificate = {
  state: 'issued',
  notAfter: '2026-05-01T00:00:00.000Z',
  nextAttemptAt: '2026-03-02T00:00:00.000Z',
  failureKind: null,
  reason: null,
};
const cell = (change: Partial<DomainCertificate>): string =>
  describeCertificate({ ...issued, ...change }, NOW_MS);

describe('a certificate in a list', () => {
  test('says what is served and what is not', () => {
    expect(cell({})).toBe('issued, ends 2026-05-01');
    expect(cell({ notAfter: '2026-02-01T00:00:00.000Z' })).toBe('issued, ended 2026-02-01');
    expect(cell({ state: 'failed' })).toBe('renewal failed, ends 2026-05-01');
    expect(cell({ state: 'failed', notAfter: null })).toBe('failed');
    expect(cell({ state: 'ordering' })).toBe('being renewed, ends 2026-05-01');
    expect(cell({ state: 'ordering', notAfter: null })).toBe('being ordered');
    expect(cell({ state: 'unsupported', notAfter: null })).toBe('none');
    expect(cell({ state: 'provided', notAfter: null })).toBe('provided');
    expect(describeCertificate(null, NOW_MS)).toBe('');
  });

  test('has why, and when it is tried next, below', () => {
    const domain: Domain = {
      host: 'www.example.com',
      url: 'https://www.example.com',
      kind: 'custom',
      track: 'production',
      deploymentId: null,
      rev: 1,
      certificate: {
        ...issued,
        state: 'failed',
        nextAttemptAt: '2026-03-01T12:00:30.000Z',
        reason: 'It says no.',
      },
    };
    expect(describeProblems([domain], NOW_MS)).toBe(
      '\n  www.example.com: It says no. Next attempt in 30.0 s.\n',
    );
    expect(describeProblems([{ ...domain, certificate: issued }], NOW_MS)).toBe('');
  });
});

describe('doctor', () => {
  const diagnosis: CertificatesDiagnosis = {
    directoryUrl: 'https://ca.example/dir',
    problem: null,
    counts: { pending: 0, ordering: 1, issued: 3, failed: 0, provided: 0 },
    troubled: [],
  };
  const states = (change: Partial<CertificatesDiagnosis>): unknown[] =>
    judgeCertificates({ ...diagnosis, ...change }).map(({ state }) => state);
  const troubled = { host: 'www.example.com', notAfter: null, isLate: false, reason: 'DNS has no address.' };

  test('tells off from well, and a customer’s DNS from an end that is near', () => {
    expect(judgeCertificates(null)).toMatchObject([{ state: 'skipped' }]);
    expect(states({})).toEqual(['ok', 'ok']);
    expect(states({ problem: 'it cannot be reached' })).toEqual(['wrong', 'ok']);
    expect(states({ troubled: [troubled] })).toEqual(['ok', 'warning']);
    expect(states({ troubled: [{ ...troubled, isLate: true }] })).toEqual(['ok', 'wrong']);
  });

  test('names the first few', () => {
    const many = Array.from({ length: 7 }, (_, index) => ({ ...troubled, host: `h${index}.test` }));
    const detail = judgeCertificates({ ...diagnosis, troubled: many })[1]?.detail;
    expect(detail).toMatch(
      /^3 issued, 1 on their way: h0\.test \(DNS has no address\); .*h4.*; and 2 others$/,
    );
  });
});
