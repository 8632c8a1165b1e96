import { Argument, Command } from 'commander';
import type { CliContext } from '../context.ts';

/** Name of the hidden command that the shells ask. */
export const COMPLETE_COMMAND = '__complete';

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_origan() {
  local IFS=$'\\n'
  COMPREPLY=($(origan ${COMPLETE_COMMAND} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ \${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _origan origan
`,
  zsh: `#compdef origan
_origan() {
  local -a candidates
  candidates=("\${(@f)$(origan ${COMPLETE_COMMAND} -- "\${words[@]:1:$CURRENT-1}" 2>/dev/null)}")
  if [[ -n "\${candidates[1]}" ]]; then compadd -- "\${candidates[@]}"; else _files; fi
}
compdef _origan origan
`,
  fish: `complete -c origan -a '(origan ${COMPLETE_COMMAND} -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
};

export function completionCommand({ terminal }: CliContext): Command {
  return new Command('completion')
    .description('print the script that completes command lines: source <(origan completion bash)')
    .addArgument(new Argument('<shell>').choices(Object.keys(SCRIPTS)))
    .action((shell: string) => terminal.out(SCRIPTS[shell] ?? ''));
}

/** What the scripts call: the words typed so far, the last one unfinished; answers one candidate a line. */
export function completeCommand({ terminal }: CliContext, program: () => Command): Command {
  return new Command(COMPLETE_COMMAND).argument('[words...]').action((words: string[]) => {
    for (const candidate of candidates(program(), words)) terminal.out(`${candidate}\n`);
  });
}

/** Commands, options and values that may come next. */
export function candidates(program: Command, words: readonly string[]): string[] {
  const typed = words.at(-1) ?? '';
  const command = commandOf(program, words);
  const options = [...command.options, ...program.options];
  const before = options.find(
    (option) => option.required && [option.short, option.long].includes(words.at(-2) ?? ''),
  );
  const flags = [...options.map(({ long }) => long ?? ''), '--help'];
  const names = command.commands.map((known) => known.name()).filter((name) => name !== COMPLETE_COMMAND);
  const values = argumentAt(command, words)?.argChoices ?? [];
  // After an option that takes a value comes its value, and nothing else.
  const others = typed.startsWith('-') ? flags : [...names, ...values];
  const offered = before === undefined ? others : (before.argChoices ?? []);
  return [...new Set(offered)].filter((candidate) => candidate !== '' && candidate.startsWith(typed)).sort();
}

function commandOf(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words.slice(0, -1)) {
    command = command.commands.find((known) => known.name() === word) ?? command;
  }
  return command;
}

/** The argument that the unfinished word is, by how many plain words came after the command's name. */
function argumentAt(command: Command, words: readonly string[]): Argument | undefined {
  const before = words.slice(words.indexOf(command.name()) + 1, -1);
  return command.registeredArguments[before.filter((word) => !word.startsWith('-')).length];
}
