/**
 * What a container runtime does for a pod's network, as libcni does it: the configuration list of
 * its folder, one execution of the plugin for each verb, the result of ADD kept for what follows.
 *
 * The result is kept in memory, where libcni keeps it in files. Spec: CNI 1.1.0, Section 3.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Namespace } from './netns.js';

type Json = Readonly<Record<string, unknown>>;
type Verb = 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'VERSION';

/** The plugin ends by itself after 30 s; a runtime's own deadline is beyond. */
const EXEC_MS = 35_000;
/** The newest version that this runtime speaks. */
const VERSION = '1.1.0';
const IFNAME = 'eth0';

export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp';
}

/** What a container of a pod is started in. */
export interface Sandbox {
  readonly containerId: string;
  readonly ns: Namespace;
  /** Namespace and name of the Pod object. */
  readonly pod: readonly [string, string];
  readonly portMappings?: readonly PortMapping[];
}

/** What the plugin said about a sandbox. */
export interface Added {
  readonly ipv4: string;
  readonly ipv6: string;
  /** Of the pod's interface, bytes. */
  readonly mtu: number;
  readonly tookMs: number;
}

export interface Runtime {
  /** The version that list and runtime have in common. */
  readonly cniVersion: string;
  add(sandbox: Sandbox): Promise<Added>;
  del(sandbox: Sandbox): Promise<void>;
  check(sandbox: Sandbox): Promise<void>;
  status(): Promise<void>;
  /** Versions that the plugin speaks. */
  versions(): Promise<readonly string[]>;
}

/** What a plugin answered instead of a result. */
export class PluginError extends Error {
  override readonly name = 'PluginError';

  /** @param code  of the specification's list, or the plugin's own; 0 when it gave none */
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

interface List extends Json {
  readonly name: string;
  readonly cniVersion: string;
  readonly cniVersions?: readonly string[];
  readonly plugins: readonly Plugin[];
}

interface Plugin extends Json {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
}

interface Result extends Json {
  readonly ips: readonly { readonly address: string }[];
  readonly interfaces: readonly { readonly name: string; readonly mtu?: number }[];
}

/** By their text: each of `major.minor.patch` has one digit so far. */
function newestOf(versions: readonly string[]): string | undefined {
  return versions
    .filter((version) => version <= VERSION)
    .sort()
    .at(-1);
}

/** The first list of the folder by name: runtimes take no other. */
function loadList(confDir: string): List {
  const [first] = readdirSync(confDir)
    .filter((name) => name.endsWith('.conflist'))
    .sort();
  if (first === undefined) throw new Error(`${confDir}: no network configuration list`);
  return JSON.parse(readFileSync(join(confDir, first), 'utf8')) as List;
}

function errorOf(verb: Verb, stdout: string, stderr: string): PluginError {
  try {
    const { code, msg, details } = JSON.parse(stdout) as Record<string, string | number>;
    const why = details === undefined ? '' : `: ${details}`;
    return new PluginError(Number(code), `${verb}: code ${code ?? '?'}: ${msg ?? ''}${why}`);
  } catch {
    return new PluginError(0, `${verb}: ${(stderr || stdout).trim()}`);
  }
}

function addressOf({ ips }: Result, isFamily: (address: string) => boolean): string {
  const [found] = ips.map(({ address }) => address.split('/')[0] ?? '').filter(isFamily);
  if (found === undefined) throw new Error(`no such address among ${JSON.stringify(ips)}`);
  return found;
}

/** Variables of a sandbox; kubelet's runtimes name the pod in CNI_ARGS. */
function variablesOf({ containerId, ns, pod: [namespace, name] }: Sandbox): Record<string, string> {
  const args = {
    IgnoreUnknown: '1',
    K8S_POD_NAMESPACE: namespace,
    K8S_POD_NAME: name,
    K8S_POD_INFRA_CONTAINER_ID: containerId,
  };
  return {
    CNI_CONTAINERID: containerId,
    CNI_NETNS: ns.path,
    CNI_IFNAME: IFNAME,
    CNI_ARGS: Object.entries(args)
      .map((pair) => pair.join('='))
      .join(';'),
  };
}

/** What the runtime has to offer of the capabilities that a plugin declares. */
function runtimeConfigOf({ capabilities }: Plugin, { portMappings = [] }: Sandbox): Json {
  if (capabilities?.['portMappings'] !== true || portMappings.length === 0) return {};
  return { runtimeConfig: { portMappings } };
}

/** @param host  where plugins are executed; @param confDir @param binDir  the runtime's folders */
export function createRuntime(host: Namespace, confDir: string, binDir: string): Runtime {
  const list = loadList(confDir);
  const { name } = list;
  const cniVersion = newestOf([list.cniVersion, ...(list.cniVersions ?? [])]) ?? list.cniVersion;
  const results = new Map<string, Result>();

  const execute = async (verb: Verb, plugin: Plugin, extra: Json, sandbox?: Sandbox) => {
    const { status, stdout, stderr } = await host.runAsync([join(binDir, plugin.type)], {
      env: { CNI_COMMAND: verb, CNI_PATH: binDir, ...(sandbox ? variablesOf(sandbox) : {}) },
      input: JSON.stringify({ ...plugin, name, cniVersion, ...extra }),
      timeoutMs: EXEC_MS,
    });
    if (status !== 0) throw errorOf(verb, stdout, stderr);
    return stdout;
  };
  /** Each plugin of the list with what came before it. */
  const tell = async (verb: Verb, sandbox: Sandbox, plugins = list.plugins): Promise<void> => {
    const prevResult = results.get(sandbox.containerId);
    for (const plugin of plugins) {
      const known = prevResult === undefined ? {} : { prevResult };
      await execute(verb, plugin, { ...runtimeConfigOf(plugin, sandbox), ...known }, sandbox);
    }
  };

  return {
    cniVersion,
    add: async (sandbox) => {
      const began = performance.now();
      let prevResult: Result | undefined;
      for (const plugin of list.plugins) {
        const known = prevResult === undefined ? {} : { prevResult };
        const extra = { ...runtimeConfigOf(plugin, sandbox), ...known };
        prevResult = JSON.parse(await execute('ADD', plugin, extra, sandbox)) as Result;
      }
      const tookMs = performance.now() - began;
      if (prevResult === undefined) throw new Error(`${name}: a list without plugins`);
      results.set(sandbox.containerId, prevResult);
      const ipv6 = addressOf(prevResult, (address) => address.includes(':'));
      const ipv4 = addressOf(prevResult, (address) => !address.includes(':'));
      const mtu = prevResult.interfaces.find((one) => one.name === IFNAME)?.mtu ?? 0;
      return { ipv4, ipv6, mtu, tookMs };
    },
    del: async (sandbox) => {
      await tell('DEL', sandbox, [...list.plugins].reverse());
      results.delete(sandbox.containerId);
    },
    check: (sandbox) => tell('CHECK', sandbox),
    status: async () => {
      for (const plugin of list.plugins) await execute('STATUS', plugin, {});
    },
    versions: async () => {
      const [plugin] = list.plugins;
      if (plugin === undefined) throw new Error(`${name}: a list without plugins`);
      const text = await execute('VERSION', plugin, {});
      return (JSON.parse(text) as { supportedVersions: string[] }).supportedVersions;
    },
  };
}
