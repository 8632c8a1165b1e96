import { inArray } from 'drizzle-orm';
import type { DomainCertificate } from '../../contracts/certificates.ts';
import type { Domain } from '../../contracts/control-api.ts';
import type { Context } from '../context.ts';
import { certificates } from '../database/schema.ts';
import { isServed, type CertificateRow } from './rows.ts';
import { whyUnsupported } from './supported.ts';

/** What each custom domain's certificate is at; none of a host means that nobody orders one for it. */
export async function describeCertificates(
  { db, config, certificates: keeper }: Pick<Context, 'db' | 'config' | 'certificates'>,
  hosts: readonly Pick<Domain, 'host' | 'kind'>[],
): Promise<Map<string, DomainCertificate>> {
  const described = new Map<string, DomainCertificate>();
  const custom = hosts.filter(({ kind }) => kind === 'custom').map(({ host }) => host);
  if (keeper === undefined || custom.length === 0) return described;
  const rows = await db.select().from(certificates).where(inArray(certificates.host, custom));
  const known = new Map(rows.map((row) => [row.host, row]));
  for (const host of custom) {
    const reason = whyUnsupported(host, config.ORIGAN_DEPLOY_DOMAIN);
    const row = known.get(host);
    if (reason !== undefined) described.set(host, { ...PENDING, state: 'unsupported', reason });
    else described.set(host, row === undefined ? PENDING : describeRow(row));
  }
  return described;
}

const PENDING: DomainCertificate = {
  state: 'pending',
  notAfter: null,
  nextAttemptAt: null,
  failureKind: null,
  reason: null,
};

function describeRow(row: CertificateRow): DomainCertificate {
  return {
    state: row.state,
    notAfter: isServed(row) ? (row.notAfter?.toISOString() ?? null) : null,
    nextAttemptAt: row.state === 'ordering' ? null : row.nextAttemptAt.toISOString(),
    failureKind: row.failureKind,
    reason: row.failure,
  };
}
