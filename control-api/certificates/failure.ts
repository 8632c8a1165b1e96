import type { CertificateFailureKind } from '../../contracts/certificates.ts';

const MAX_REASON = 400;

/** Why an attempt came to nothing, in words for whoever owns the domain. */
export class CertificateFailure extends Error {
  readonly kind: CertificateFailureKind;
  /** How long the authority asks to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: CertificateFailureKind,
    message: string,
    options: { cause?: unknown; retryAfterMs?: number | undefined } = {},
  ) {
    super(oneLine(message), { cause: options.cause });
    this.name = 'CertificateFailure';
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Another control API has taken the work over, or the domain is gone: nothing that this one does counts any more. */
export class Overtaken extends Error {
  constructor() {
    super('the certificate is another attempt’s, or nobody’s, by now');
    this.name = 'Overtaken';
  }
}

/** Others' texts in one line of bounded length: they are shown in terminals and kept in rows. */
function oneLine(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, MAX_REASON);
}
