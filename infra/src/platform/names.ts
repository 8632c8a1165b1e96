export type ProgramName = 'gateway' | 'runner' | 'control-api';

type Labels = Readonly<Record<string, string>>;

/** Every pod of the platform's programs. */
export const PART_OF: Labels = { 'app.kubernetes.io/part-of': 'origan-edge' };

/** What Services and policies find a program's pods by; it never changes. */
export function selectorOf(program: ProgramName): Labels {
  return { ...PART_OF, 'app.kubernetes.io/component': program };
}

export const CONTROL_API_PORT = 7780;
export const RUNNER_PORT = 9000;
