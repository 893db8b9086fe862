/** `sluice cni ...`: the plugin's place on the node; `sluice ipam ...`: addresses of its pods. */
import type { Command, Option } from 'commander';
import { formatConflist, installCni, uninstallCni } from './cni/install.js';
import type { InstallOptions } from './cni/install.js';
import type { SluiceConfig } from './config/config.js';
import { DataplaneError } from './errors.js';
import { askAgent } from './ops/admin.js';
import { formatAttachments, formatFindings, formatIpam } from './ops/ipam.js';
import type { AttachmentRow, IpamFinding, IpamReport } from './ops/ipam.js';
import { packageFile } from './package-root.js';

/** What the command has for all of its parts. */
export interface CommandParts<T> {
  readonly configOption: () => Option;
  readonly jsonOption: () => Option;
  readonly load: (options: T) => SluiceConfig;
  readonly print: (text: string) => void;
}

function optionsOf({ cni }: SluiceConfig): InstallOptions {
  if (cni === undefined) {
    throw new DataplaneError('ERR_USAGE', 'cni: missing: the agent does not serve the plugin');
  }
  const { binDir, confDir, name, socket: socketPath } = cni;
  return { binDir, confDir, name, socketPath };
}

interface Asked {
  readonly json?: boolean;
}

/** Ask the agent, which knows what is given out and to whom. */
async function ask(
  { stateDir, nodeName }: SluiceConfig,
  path: string,
  method: 'GET' | 'POST' = 'GET',
): Promise<unknown> {
  const answer = await askAgent(stateDir, path, method);
  if (answer !== undefined) return answer;
  throw new DataplaneError('ERR_STATE', `no agent runs on ${nodeName}: it keeps the addresses`);
}

export function addCniCommands<T extends Asked>(program: Command, parts: CommandParts<T>): void {
  const { configOption, jsonOption, load, print } = parts;
  const cni = program.command('cni').description('the CNI plugin on this node');
  cni
    .command('install')
    .description(
      'put plugin and network configuration in place, once the agent is ready; needs root',
    )
    .addOption(configOption())
    .action(async (options: T) => {
      const binary = packageFile('build/native/sluice-cni');
      const { changed, warnings } = await installCni(optionsOf(load(options)), binary);
      for (const path of changed) print(path);
      for (const warning of warnings) process.stderr.write(`sluice: warning: ${warning}\n`);
    });
  cni
    .command('uninstall')
    .description('take away what install has put in place; needs root')
    .addOption(configOption())
    .action(async (options: T) => {
      for (const path of await uninstallCni(optionsOf(load(options)))) print(`removed ${path}`);
    });
  cni
    .command('conflist')
    .description('print the network configuration that install writes')
    .addOption(configOption())
    .action((options: T) => {
      print(formatConflist(optionsOf(load(options)).name).trimEnd());
    });
  cni
    .command('list')
    .description(
      'what is attached: containers with their interfaces, Pods and addresses; needs root and an agent',
    )
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (options: T) => {
      const rows = (await ask(load(options), '/attachments')) as AttachmentRow[];
      print(options.json ? JSON.stringify(rows) : formatAttachments(rows));
    });
}

export function addIpamCommands<T extends Asked>(program: Command, parts: CommandParts<T>): void {
  const { configOption, jsonOption, load, print } = parts;
  const ipam = program.command('ipam').description('addresses of pods');
  ipam
    .command('show')
    .description(
      'ranges or pools: how large, how much of them is in use, by which nodes; needs root and an agent',
    )
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (options: T) => {
      const report = (await ask(load(options), '/ipam')) as IpamReport;
      print(options.json ? JSON.stringify(report) : formatIpam(report));
    });
  ipam
    .command('check')
    .description(
      'addresses that leaked, are missing, or are used twice; status 1 if there are any; needs root and an agent',
    )
    .addOption(configOption())
    .addOption(jsonOption())
    .action(async (options: T) => {
      const findings = (await ask(load(options), '/ipam/check')) as IpamFinding[];
      print(options.json ? JSON.stringify(findings) : formatFindings(findings));
      if (findings.length > 0) process.exitCode = 1;
    });
  ipam
    .command('release')
    .description(
      'give an address of this node back, with everything its owner has; needs root and an agent',
    )
    .argument('<address>', 'the address')
    .option('--force', 'also when a pod uses it: the pod is cut off')
    .addOption(configOption())
    .action(async (address: string, options: T & { readonly force?: boolean }) => {
      const query = new URLSearchParams({ address, force: String(options.force === true) });
      const path = `/ipam/release?${query.toString()}`;
      print((await ask(load(options), path, 'POST')) as string);
    });
}
