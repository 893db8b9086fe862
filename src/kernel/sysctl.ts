/**
 * Kernel parameters under /proc/sys, of one network namespace.
 *
 * Keys are paths (`net/ipv4/conf/slc0/rp_filter`), because interface names may contain dots.
 * Which namespace /proc/sys/net shows depends on who looks `net/ipv4` up in it. So that directory
 * of another namespace is opened by the native addon inside it, which costs a thread, and its files
 * through its descriptor, which does not.
 *
 * Spec: Documentation/networking/ip-sysctl.rst
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { DataplaneError, isErrno, messageOf } from '../errors.js';
import { openInNetns } from '../native.js';

export interface Sysctl {
  /** Its value without the newline; undefined when this kernel has no such key. */
  read(key: string): string | undefined;
  /**
   * Set a key; a value that is there already is not written again, so that this works where
   * /proc/sys is read-only but right.
   *
   * @throws DataplaneError ERR_KERNEL naming key, value and reason
   */
  write(key: string, value: number | string): void;
  close(): void;
}

/** @returns where a key is, and what closes the descriptors that lead there */
function createLocator(netnsFd: number): { pathOf(key: string): string; close(): void } {
  if (netnsFd < 0) return { pathOf: (key) => `/proc/sys/${key}`, close: () => undefined };
  const directories = new Map<string, number>();
  return {
    pathOf: (key) => {
      const [, directory = '', rest = ''] = /^([^/]+\/[^/]+)\/(.+)$/.exec(key) ?? [];
      const fd =
        directories.get(directory) ??
        openInNetns(netnsFd, `/proc/sys/${directory}`, constants.O_RDONLY);
      directories.set(directory, fd);
      return `/proc/self/fd/${fd}/${rest}`;
    },
    close: () => {
      for (const fd of directories.values()) closeSync(fd);
      directories.clear();
    },
  };
}

/** @param netnsFd  the namespace; -1 for the caller's own */
export function openSysctl(netnsFd: number): Sysctl {
  const { pathOf, close } = createLocator(netnsFd);
  const withFile = <T>(key: string, flags: number, use: (fd: number) => T): T => {
    const fd = openSync(pathOf(key), flags);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  };

  const read = (key: string): string | undefined => {
    try {
      return withFile(key, constants.O_RDONLY, (fd) => readFileSync(fd, 'utf8').trim());
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw new DataplaneError('ERR_KERNEL', `cannot read ${key}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  };

  const write = (key: string, value: number | string): void => {
    const before = read(key);
    if (before === String(value)) return;
    try {
      withFile(key, constants.O_WRONLY, (fd) => writeSync(fd, `${value}\n`));
    } catch (error) {
      const was = before === undefined ? 'this kernel has no such key' : `it is ${before}`;
      throw new DataplaneError(
        'ERR_KERNEL',
        `cannot set ${key} to ${value}: ${was}; ${messageOf(error)}`,
        { cause: error },
      );
    }
  };

  return { read, write, close };
}

const IPV4_FORWARD = 'net/ipv4/ip_forward';
const IPV6_FORWARD = 'net/ipv6/conf/all/forwarding';

/** Whether the kernel speaks IPv6 at all in this namespace. */
export function hasIpv6(sysctl: Sysctl): boolean {
  return sysctl.read(IPV6_FORWARD) !== undefined;
}

/**
 * Make the namespace route packets between its interfaces.
 *
 * @param listIfnames  interfaces that may live on router advertisements: a router ignores those
 *                 unless accept_ra is 2, so 1 becomes 2 first, or the node would lose the
 *                 default route it came with
 */
export function enableForwarding(sysctl: Sysctl, listIfnames: () => readonly string[]): void {
  sysctl.write(IPV4_FORWARD, 1);
  if (sysctl.read(IPV6_FORWARD) !== '0') return;
  for (const ifname of listIfnames()) {
    const key = `net/ipv6/conf/${ifname}/accept_ra`;
    if (sysctl.read(key) === '1') sysctl.write(key, 2);
  }
  sysctl.write(IPV6_FORWARD, 1);
}

/**
 * Let packets in whose way back leads out of another interface: answers of a virtual address
 * arrive on the link of whichever pod gave them.
 *
 * The kernel takes the stricter of `all` and the interface, where 1 (strict) is less than
 * 2 (loose); so under `all` = 1 only 2 helps, and else 0 does.
 */
export function relaxReversePath(sysctl: Sysctl, ifname: string): void {
  sysctl.write(`net/ipv4/conf/${ifname}/rp_filter`, relaxedReversePath(sysctl));
}

/** The value of rp_filter that does so. */
export function relaxedReversePath(sysctl: Sysctl): 0 | 2 {
  return sysctl.read('net/ipv4/conf/all/rp_filter') === '1' ? 2 : 0;
}
