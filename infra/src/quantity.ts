const MIB = 1024 * 1024;
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1000,
  M: 1000 ** 2,
  G: 1000 ** 3,
  Ki: 1024,
  Mi: MIB,
  Gi: 1024 * MIB,
};

/** Bytes of a Kubernetes quantity such as `2Gi` or `1500M`. @throws on anything else. */
export function parseBytes(quantity: string): number {
  const match = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|k|M|G)?$/.exec(quantity);
  if (match === null) throw new Error(`"${quantity}" is no quantity of memory such as 2Gi`);
  return Number(match[1]) * (UNITS[match[2] ?? ''] ?? Number.NaN);
}

/** Whole cores of a Kubernetes quantity such as `2` or `1500m`, at least one. @throws on anything else. */
export function parseCores(quantity: string): number {
  const match = /^(\d+)(m)?$/.exec(quantity) ?? /^(\d+\.\d+)$/.exec(quantity);
  if (match === null) throw new Error(`"${quantity}" is no quantity of cores such as 2 or 500m`);
  const cores = Number(match[1]) / (match[2] === 'm' ? 1000 : 1);
  return Math.max(1, Math.floor(cores));
}

export type MemoryPlan = { maxMemoryMib: number; threads: number };

/** Resident memory exceeds what the data takes; a container that reaches its limit is killed. */
const SHARE_FOR_DATA = 0.75;
/** Dragonfly does not start with less. */
const MIB_PER_THREAD = 256;

/**
 * How much of the container's memory Dragonfly may fill, and with how many threads: one for each core, fewer where
 * memory does not suffice for them.
 *
 * @throws when it does not even suffice for one.
 */
export function planMemory(memoryLimit: string, cpuLimit: string): MemoryPlan {
  const maxMemoryMib = Math.floor((parseBytes(memoryLimit) * SHARE_FOR_DATA) / MIB);
  const affordable = Math.floor(maxMemoryMib / MIB_PER_THREAD);
  if (affordable < 1) {
    throw new Error(`a memory limit of ${memoryLimit} is too small: Dragonfly needs at least 342Mi`);
  }
  return { maxMemoryMib, threads: Math.min(parseCores(cpuLimit), affordable) };
}
