/**
 * What a runtime's libcni does with a list of plugins (containernetworking/cni v1.3, libcni/api.go):
 * order, previous results, cache, capabilities, deadlines. Every CNI test speaks to plugins through
 * it; test/cni/libcni.test.ts holds it against the real one.
 */
import type { Attachment, Cache } from './libcni/cache.js';
import { openCache } from './libcni/cache.js';
import type { Json, NetworkList } from './libcni/config.js';
import { compareVersions } from './libcni/config.js';
import { convertResult } from './libcni/convert.js';
import type { Call, Runner } from './libcni/exec.js';
import { execPlugin, findPlugin } from './libcni/exec.js';

/** What GC is told is alive. */
export interface ValidAttachment {
  readonly containerID: string;
  readonly ifname: string;
}

export interface LibcniOptions extends Runner {
  /** What /var/lib/cni is to libcni. */
  readonly cacheDir: string;
}

export interface Libcni {
  readonly cache: Cache;
  /** @returns the last plugin's result, which is cached. @throws PluginError of the first that fails */
  add(list: NetworkList, attachment: Attachment): Promise<Json>;
  del(list: NetworkList, attachment: Attachment): Promise<void>;
  check(list: NetworkList, attachment: Attachment): Promise<void>;
  /** @param valid  absent: nothing is alive, and plugins are not told of it */
  gc(list: NetworkList, valid?: readonly ValidAttachment[]): Promise<void>;
  status(list: NetworkList): Promise<void>;
  version(type: string): Promise<readonly string[]>;
}

/** The capabilities that both the plugin and the runtime have. */
function runtimeConfigOf(plugin: Json, { capabilities = {} }: Attachment): Json | undefined {
  const declared = Object.entries((plugin['capabilities'] ?? {}) as Json);
  const shared = declared.filter(([name, wanted]) => wanted === true && name in capabilities);
  if (shared.length === 0) return undefined;
  return Object.fromEntries(shared.map(([name]) => [name, capabilities[name]]));
}

function inputOf(list: NetworkList, plugin: Json, extra: Json): string {
  const { name, cniVersion } = list;
  return JSON.stringify({ ...plugin, name, cniVersion, ...extra });
}

function callOf(command: Call['command'], attachment: Attachment): Call {
  const { containerId, ifname, netns = '', args = [] } = attachment;
  return {
    command,
    containerId,
    ifname,
    netns,
    args: args.map((pair) => pair.join('=')).join(';'),
  };
}

/** Everything goes on after a failure; then the failures are one. */
async function collect(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('\n'));
}

export function openLibcni(options: LibcniOptions): Libcni {
  const cache = openCache(options.cacheDir);

  const run = (plugin: Json, input: string, call: Call): Promise<string> =>
    execPlugin(findPlugin(String(plugin['type']), options.path), input, call, options);

  function runPlugin(
    list: NetworkList,
    plugin: Json,
    call: readonly [Call['command'], Attachment],
    prevResult: Json | undefined,
  ): Promise<string> {
    const [command, attachment] = call;
    const runtimeConfig = runtimeConfigOf(plugin, attachment);
    const extra = { ...(prevResult && { prevResult }), ...(runtimeConfig && { runtimeConfig }) };
    return run(plugin, inputOf(list, plugin, extra), callOf(command, attachment));
  }

  /** The cached result in the list's version. */
  function cachedResult(list: NetworkList, attachment: Attachment): Json | undefined {
    const result = cache.result(list.name, attachment);
    return result && convertResult(result, list.cniVersion);
  }

  /** What DEL cannot read it does without. */
  function cachedForDelete(list: NetworkList, attachment: Attachment): Json | undefined {
    if (compareVersions(list.cniVersion, '0.4.0') < 0) return undefined;
    try {
      return cachedResult(list, attachment);
    } catch {
      cache.remove(list.name, attachment);
      return undefined;
    }
  }

  async function add(list: NetworkList, attachment: Attachment): Promise<Json> {
    let result: Json | undefined;
    for (const plugin of list.plugins) {
      const output = await runPlugin(list, plugin, ['ADD', attachment], result);
      const said = JSON.parse(output) as Json;
      result = { ...said, cniVersion: said['cniVersion'] || list.cniVersion };
    }
    cache.add(list.name, list.text, attachment, result ?? {});
    return result ?? {};
  }

  async function del(list: NetworkList, attachment: Attachment): Promise<void> {
    const result = cachedForDelete(list, attachment);
    for (const plugin of [...list.plugins].reverse())
      await runPlugin(list, plugin, ['DEL', attachment], result);
    cache.remove(list.name, attachment);
  }

  async function check(list: NetworkList, attachment: Attachment): Promise<void> {
    if (compareVersions(list.cniVersion, '0.4.0') < 0)
      throw new Error(`configuration version "${list.cniVersion}" does not support CHECK`);
    if (list.disableCheck) return;
    const result = cachedResult(list, attachment);
    for (const plugin of list.plugins) await runPlugin(list, plugin, ['CHECK', attachment], result);
  }

  async function gc(list: NetworkList, valid?: readonly ValidAttachment[]): Promise<void> {
    if (list.disableGC) return;
    const isValid = ({ containerId, ifname }: Attachment): boolean =>
      valid?.some((one) => one.containerID === containerId && one.ifname === ifname) ?? false;
    const stale = cache
      .attachments()
      .filter((attachment) => attachment.network === list.name && !isValid(attachment));
    const extra = valid && { 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid };
    const told = compareVersions(list.cniVersion, '1.1.0') < 0 ? [] : list.plugins;
    await collect([
      ...stale.map((attachment) => () => del(list, attachment)),
      ...told.map(
        (plugin) => () => run(plugin, inputOf(list, plugin, extra ?? {}), { command: 'GC' }),
      ),
    ]);
  }

  async function status(list: NetworkList): Promise<void> {
    if (compareVersions(list.cniVersion, '1.1.0') < 0) return;
    for (const plugin of list.plugins)
      await run(plugin, inputOf(list, plugin, {}), { command: 'STATUS' });
  }

  async function version(type: string): Promise<readonly string[]> {
    // libcni fills what plugins built against an older skeleton ask for.
    const call = { command: 'VERSION', netns: 'dummy', ifname: 'dummy' } as const;
    const output = await run({ type }, JSON.stringify({ cniVersion: '1.1.0' }), call);
    return (JSON.parse(output) as { supportedVersions: string[] }).supportedVersions;
  }

  return { cache, add, del, check, gc, status, version };
}
