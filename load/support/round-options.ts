/** How often and how hard the contenders of a benchmark are asked, in turns. */
export type RoundOptions = {
  rounds: number;
  seconds: number;
  connections: number;
  /** Fails the run when the ratio that the benchmark is about is larger. */
  maxRatio: number | undefined;
};

/** The flags for `parseArgs`. */
export const ROUND_FLAGS: {
  readonly [Name in 'rounds' | 'seconds' | 'connections']: {
    readonly type: 'string';
    readonly default: string;
  };
} & {
  readonly 'max-ratio': { readonly type: 'string' };
  readonly smoke: { readonly type: 'boolean'; readonly default: boolean };
} = {
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '3' },
  connections: { type: 'string', default: '32' },
  'max-ratio': { type: 'string' },
  // One short round: that everything works, not how fast.
  smoke: { type: 'boolean', default: false },
};

/** What was parsed, as numbers. */
export function toRoundOptions(values: {
  rounds: string;
  seconds: string;
  connections: string;
  'max-ratio'?: string | undefined;
  smoke: boolean;
}): RoundOptions {
  const maxRatio = values['max-ratio'];
  return {
    rounds: values.smoke ? 1 : Number(values.rounds),
    seconds: values.smoke ? 1 : Number(values.seconds),
    connections: Number(values.connections),
    maxRatio: maxRatio === undefined ? undefined : Number(maxRatio),
  };
}
