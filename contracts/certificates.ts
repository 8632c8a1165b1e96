import { z } from 'zod';

/**
 * `pending`: waits for its turn. `ordering`: an order is under way. `issued`: the bucket has it. `failed`: the last attempt
 * came to nothing; a certificate of before is served on. `provided`: somebody else put one into the bucket, which is left
 * alone.
 */
export type CertificateState = 'pending' | 'ordering' | 'issued' | 'failed' | 'provided';

/**
 * `domain`: the host does not reach this installation. `authority`: it could not be reached, or failed. `refused`: it said
 * no. `limited`: too many orders. `internal`: bucket or keys of this installation.
 */
export type CertificateFailureKind = 'domain' | 'authority' | 'refused' | 'limited' | 'internal';

/** What a custom domain's own certificate is at. */
export type DomainCertificate = {
  /** `unsupported`: none can be ordered for this name, `reason` says why. */
  state: CertificateState | 'unsupported';
  /** End of the one that is served; null where there is none yet. */
  notAfter: string | null;
  /** When an attempt is made next: the renewal, or the next try after a failure. */
  nextAttemptAt: string | null;
  failureKind: CertificateFailureKind | null;
  /** Why there is none, or why it is not renewed. */
  reason: string | null;
};

const failureKind: z.ZodType<CertificateFailureKind> = z.enum([
  'domain',
  'authority',
  'refused',
  'limited',
  'internal',
]);

export const domainCertificateSchema: z.ZodType<DomainCertificate> = z.object({
  state: z.enum(['pending', 'ordering', 'issued', 'failed', 'provided', 'unsupported']),
  notAfter: z.string().nullable(),
  nextAttemptAt: z.string().nullable(),
  failureKind: failureKind.nullable(),
  reason: z.string().nullable(),
});

/** For the diagnosis of an installation. */
export type CertificatesDiagnosis = {
  directoryUrl: string;
  /** Why the authority cannot be used; null where it answers. */
  problem: string | null;
  counts: Record<CertificateState, number>;
  /** Hosts without a certificate, or whose renewal is late, the worst first; a few of them. */
  troubled: { host: string; notAfter: string | null; isLate: boolean; reason: string | null }[];
};

const count = z.number();

export const certificatesDiagnosisSchema: z.ZodType<CertificatesDiagnosis> = z.object({
  directoryUrl: z.string(),
  problem: z.string().nullable(),
  counts: z.object({ pending: count, ordering: count, issued: count, failed: count, provided: count }),
  troubled: z.array(
    z.object({
      host: z.string(),
      notAfter: z.string().nullable(),
      isLate: z.boolean(),
      reason: z.string().nullable(),
    }),
  ),
});
