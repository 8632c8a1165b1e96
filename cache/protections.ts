/**
 * The three guards of coherence. Always on, except in the runs of the hammer that prove that it finds the
 * violations which each of them prevents.
 */
export type Protections = {
  /** Writes compare revisions and claims. */
  compareAndSet: boolean;
  /** Near fills that began before an invalidation are dropped. */
  generationCheck: boolean;
  /** Near copies are used only under a lease. */
  leases: boolean;
};

export const ALL_PROTECTIONS: Protections = { compareAndSet: true, generationCheck: true, leases: true };
