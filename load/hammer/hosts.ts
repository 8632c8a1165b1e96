/** A host that the gateways are asked for, and the project whose builds it shows. */
export type HammeredHost = { name: string; project: number };

export function projectName(project: number): string {
  return `project-${project}`;
}
