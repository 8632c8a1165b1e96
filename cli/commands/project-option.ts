import { Command, Option } from 'commander';

/** A command that works on one project. */
export function projectCommand(name: string, description: string): Command {
  return new Command(name).description(description).addOption(projectOption());
}

export function projectOption(): Option {
  return new Option('-p, --project <name>', 'name, ref or id of the project (default: that of origan.json)');
}

export const collect = (value: string, previous: string[]): string[] => [...previous, value];
