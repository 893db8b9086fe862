/**
 * A network namespace to work in: its routing socket and its parameters.
 */
import { statSync } from 'node:fs';
import { closeFd, openNetns } from '../native.js';
import { type Rtnl, openRtnl } from './rtnl.js';
import { type Sysctl, openSysctl } from './sysctl.js';

const OWN_PATH = '/proc/thread-self/ns/net';

export interface Netns {
  /** A path that leads to it. */
  readonly path: string;
  /** Its descriptor; -1: the one this process is in. */
  readonly fd: number;
  readonly rtnl: Rtnl;
  readonly sysctl: Sysctl;
  close(): void;
}

/** The namespace this process is in. */
export function ownNetns(): Netns {
  const rtnl = openRtnl(-1);
  return { path: OWN_PATH, fd: -1, rtnl, sysctl: openSysctl(-1), close: () => rtnl.close() };
}

/**
 * @param path  `/var/run/netns/NAME` or `/proc/PID/ns/net`
 * @throws      the native error, naming the path, when there is no namespace
 */
export function netnsAt(path: string): Netns {
  const fd = openNetns(path);
  try {
    const rtnl = openRtnl(fd);
    const sysctl = openSysctl(fd);
    const close = (): void => {
      rtnl.close();
      sysctl.close();
      closeFd(fd);
    };
    return { path, fd, rtnl, sysctl, close };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Whether two handles lead to one namespace. */
export function isSameNetns(a: Netns, b: Netns): boolean {
  const [one, other] = [statSync(a.path), statSync(b.path)];
  return one.ino === other.ino && one.dev === other.dev;
}
