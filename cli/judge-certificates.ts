import type { CertificatesDiagnosis } from '../contracts/certificates.ts';
import { ok, skipped, warning, wrong, type Finding } from './doctor.ts';
import { count } from './format.ts';

const MAX_NAMED = 5;

/** Whether certificates are ordered, whether the authority answers, and which of them are missing or end soon. */
export function judgeCertificates(diagnosis: CertificatesDiagnosis | null): Finding[] {
  const check = 'certificates';
  if (diagnosis === null)
    return [skipped(check, 'none are ordered: ACME_DIRECTORY_URL of the control API is not set')];
  return [judgeAuthority(diagnosis), judgeTroubled(diagnosis)];
}

function judgeAuthority({ directoryUrl, problem }: CertificatesDiagnosis): Finding {
  const check = 'certificate authority';
  return problem === null
    ? ok(check, `${directoryUrl} answers`)
    : wrong(check, problem, 'Check ACME_DIRECTORY_URL and ACME_CA_FILE, and the way out of the control API.');
}

function judgeTroubled({ counts, troubled }: CertificatesDiagnosis): Finding {
  const check = 'certificates';
  const waiting = counts.pending + counts.ordering;
  const parts = [
    `${counts.issued} issued`,
    ...(waiting > 0 ? [`${waiting} on their way`] : []),
    ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
    ...(counts.provided > 0 ? [`${counts.provided} provided`] : []),
  ];
  const summary = parts.join(', ');
  if (troubled.length === 0) return ok(check, summary);
  const named = troubled.slice(0, MAX_NAMED).map(describe);
  const rest = troubled.length > MAX_NAMED ? [`and ${count(troubled.length - MAX_NAMED, 'other')}`] : [];
  const detail = `${summary}: ${[...named, ...rest].join('; ')}`;
  const fix = 'origan domains ls tells what each waits for; a domain must reach a gateway on port 80.';
  // A customer's DNS is no fault of the installation's; a certificate that ends is.
  return troubled.some(({ isLate }) => isLate) ? wrong(check, detail, fix) : warning(check, detail, fix);
}

function describe({ host, notAfter, isLate, reason }: CertificatesDiagnosis['troubled'][number]): string {
  const ends = isLate && notAfter !== null ? ` ends ${notAfter.slice(0, 10)}` : '';
  return `${host}${ends}${reason === null ? '' : ` (${reason.replace(/\.$/, '')})`}`;
}
