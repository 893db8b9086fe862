/** Make docs/cli.md of the commands' own definitions. `--check` compares instead. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Argument, Command, Option } from 'commander';
import { addAgentCommands } from '../src/agent-commands.js';
import { sluiceCommand } from '../src/command-parts.js';
import { addDnsCommands } from '../src/dns-commands.js';
import { anchorOf, anchorsOf } from './doc-links.js';
import { cell, codeCell, runGenerator, table } from './doc-page.js';
import type { GeneratedPage } from './doc-page.js';

const OUTPUT_PAGE = 'cli-output.md';

/** The command with everything below it. */
export function wholeCommand(): Command {
  const sluice = sluiceCommand();
  addAgentCommands(sluice);
  addDnsCommands(sluice, { words: [] });
  return sluice;
}

/** Commands that do something, those of a group by their whole names: `cni install`. */
export function commandsOf(parent: Command, before = ''): Map<string, Command> {
  return new Map(
    parent.commands.flatMap((command) => {
      const name = `${before}${command.name()}`;
      const isGroup = command.options.length === 0 && command.commands.length > 0;
      return [...(isGroup ? [] : [[name, command] as const]), ...commandsOf(command, `${name} `)];
    }),
  );
}

function initialOf({ defaultValue }: Option | Argument): string {
  const value: unknown = defaultValue;
  if (typeof value !== 'string' && typeof value !== 'number') return '';
  return `\`${value}\``;
}

function optionRow(option: Option): string[] {
  const choices = option.argChoices === undefined ? '' : `: ${option.argChoices.join(', ')}`;
  const required = option.mandatory ? 'required' : initialOf(option);
  return [codeCell(option.flags), required, cell(`${option.description}${choices}`)];
}

function argumentRow(argument: Argument): string[] {
  const name = argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
  return [`\`${name}\``, initialOf(argument), cell(argument.description)];
}

function usageOf(name: string, command: Command): string {
  return `sluice ${name} ${command.usage()}`.replace(' [command]', '');
}

/** `what it does; needs root` as two parts. */
function partsOf(command: Command): { what: string; needs: string } {
  const [what = '', ...rest] = command.description().split(/; (?=needs )/);
  return { what, needs: rest.join('; ').replace(/^needs /, '') };
}

function sectionOf(name: string, command: Command, explained: ReadonlySet<string>): string[] {
  const { what, needs } = partsOf(command);
  const rows = [...command.registeredArguments.map(argumentRow), ...command.options.map(optionRow)];
  const anchor = anchorOf(name);
  const more = explained.has(anchor)
    ? ['', `What it prints: [${name}](${OUTPUT_PAGE}#${anchor}).`]
    : [];
  return [
    '',
    `## ${name}`,
    '',
    `${what}.${needs === '' ? '' : ` Needs ${needs}.`}`.replace(/^./, (first) =>
      first.toUpperCase(),
    ),
    '',
    '```',
    usageOf(name, command),
    '```',
    ...(rows.length > 0 ? ['', table(['argument or option', 'default', 'what'], rows)] : []),
    ...more,
  ];
}

/** @param output  the page on what commands print: a heading there is a command that is explained */
export function cliPage(commands: ReadonlyMap<string, Command>, output: string): string {
  const explained = anchorsOf(output);
  const overview = [...commands].map(([name, command]) => {
    const { what, needs } = partsOf(command);
    return [`[\`${name}\`](#${anchorOf(name)})`, cell(what), cell(needs)];
  });
  return [
    '# Commands',
    '',
    '`sluice COMMAND --help` prints what is here. The status is 0, or 1 with one sentence on standard error.',
    '`--config` may also name a [KubeProxyConfiguration](configuration.md#kube-proxys-own-file). What commands',
    `print, and how to read it: [what commands print](${OUTPUT_PAGE}).`,
    '',
    'From a clean clone the command is `node build/host/src/cli.js`, after `npm run build`.',
    '',
    table(['command', 'what', 'needs'], overview),
    ...[...commands].flatMap(([name, command]) => sectionOf(name, command, explained)),
  ].join('\n');
}

export const CLI_PAGE: GeneratedPage = {
  path: 'docs/cli.md',
  script: 'scripts/gen-cli-doc.ts',
  text: () =>
    cliPage(
      commandsOf(wholeCommand()),
      readFileSync(new URL(`../docs/${OUTPUT_PAGE}`, import.meta.url), 'utf8'),
    ),
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await runGenerator(CLI_PAGE);
