/** Why a request went to the function (RFC 9211 section 2.2). */
export type ForwardReason =
  | 'bypass'
  | 'method'
  | 'uri-miss'
  | 'vary-miss'
  | 'miss'
  | 'request'
  | 'stale'
  | 'partial';

/** How a request was answered, as one member of Cache-Status says it (RFC 9211). */
export type CacheStatus =
  | { kind: 'hit'; ttlMs: number; detail?: string | undefined }
  | {
      kind: 'forward';
      why: ForwardReason;
      status: number | undefined;
      isStored: boolean;
      isCollapsed: boolean;
      /** Freshness of what is served after all: a validated response, or a stale one. */
      ttlMs?: number | undefined;
      detail?: string | undefined;
    };

/** Parameters in the order of RFC 9211; details are tokens of our own. */
export function cacheStatusOf(status: CacheStatus): string {
  const parameters = status.kind === 'hit' ? ['hit'] : forwardParameters(status);
  if (status.ttlMs !== undefined) parameters.push(`ttl=${Math.floor(status.ttlMs / 1000)}`);
  if (status.detail !== undefined) parameters.push(`detail=${status.detail}`);
  return ['origan-edge', ...parameters].join('; ');
}

function forwardParameters(status: Extract<CacheStatus, { kind: 'forward' }>): string[] {
  const parameters = [`fwd=${status.why}`];
  if (status.status !== undefined) parameters.push(`fwd-status=${status.status}`);
  if (status.isStored) parameters.push('stored');
  if (status.isCollapsed) parameters.push('collapsed');
  return parameters;
}
