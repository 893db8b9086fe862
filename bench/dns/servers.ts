/** Name servers in processes of their own: ours, and Debian's Knot and Unbound. */
import dgram from 'node:dgram';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import dnsPacket from 'dns-packet';
import { packageFile } from '../../src/package-root.js';
import { start } from '../net/sh.js';
import { pinThreads } from '../pin.js';
import type { Scope } from '../scope.js';
import type { Asked } from './load.js';
import { untilAnswers } from './wait.js';
import {
  NAMED_SERVICES,
  nameOf,
  writeManifests,
  writeZone,
  ZONE,
  type NamedService,
} from './zone.js';

/** One whose name is its kind. */
export interface Server extends Asked {
  readonly name: keyof typeof PORTS;
}

/** A folder that goes with the scope. */
export function workDir(scope: Scope): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'sluice-bench-dns-'));
  scope.defer(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

const HOST = '127.0.0.1';
export const PORTS = { sluice: 5401, knot: 5402, unbound: 5403 } as const;
const ASK_MS = 200;

/** Whether a server answers with the address of the first service. */
async function answers(host: string, port: number): Promise<boolean> {
  const [first] = NAMED_SERVICES;
  if (!first) return false;
  const socket = dgram.createSocket('udp4');
  try {
    return await new Promise<boolean>((resolve) => {
      const over = setTimeout(() => resolve(false), ASK_MS);
      socket.once('error', () => resolve(false));
      socket.once('message', (message) => {
        clearTimeout(over);
        const [answer] = dnsPacket.decode(message).answers ?? [];
        resolve(answer?.type === 'A' && answer.data === first.address);
      });
      const name = nameOf(first);
      // A resolver tells nothing to who does not want recursion.
      const query = dnsPacket.encode({
        type: 'query',
        flags: dnsPacket.RECURSION_DESIRED,
        questions: [{ type: 'A', name }],
      });
      socket.send(query, port, host);
    });
  } finally {
    socket.close();
  }
}

/** @param cpu  the processor that the server has for itself */
async function begin(
  scope: Scope,
  name: keyof typeof PORTS,
  cpu: number,
  argv: string[],
): Promise<Server> {
  const { pid } = start(scope, { cpu }, ...argv);
  const port = PORTS[name];
  await untilAnswers(name, () => answers(HOST, port));
  pinThreads(pid, cpu);
  return { name, pid, host: HOST, port };
}

/** `sluice dns` with the cluster's manifests. */
export function startSluice(scope: Scope, dir: string, cpu: number): Promise<Server> {
  const files = path.join(dir, 'manifests');
  mkdirSync(files, { recursive: true });
  writeManifests(files);
  const conf = path.join(dir, 'Corefile');
  writeFileSync(
    conf,
    `.:${PORTS.sluice} {\n  bind ${HOST}\n  kubernetes ${ZONE} in-addr.arpa ip6.arpa {\n    ttl 5\n  }\n}\n`,
  );
  const cli = packageFile('build/host/src/cli.js');
  const argv = [process.execPath, cli, 'dns', '--conf', conf, '--files', files];
  return begin(scope, 'sluice', cpu, [...argv, '--log-level', 'error']);
}

/** What a knotd is to do. */
export interface KnotOptions {
  /** ADDRESS@PORT of a socket. */
  readonly listen?: string;
  /** DEVICE@PORT of a device whose queries are taken from its queue. */
  readonly xdp?: string;
  readonly services?: readonly NamedService[];
}

/** A configuration for knotd with one worker for UDP. @returns the file */
export function writeKnotConf(dir: string, { listen, xdp, services }: KnotOptions): string {
  const zone = writeZone(dir, services);
  const conf = path.join(dir, 'knot.conf');
  const text = `server:
  rundir: ${dir}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
${listen === undefined ? '' : `  listen: ${listen}`}
${xdp === undefined ? '' : `xdp:\n  listen: ${xdp}`}
log:
  - target: stderr
    any: error
database:
  storage: ${dir}/db
zone:
  - domain: ${ZONE}
    file: ${zone}
    zonefile-sync: -1
    journal-content: none
`;
  mkdirSync(path.join(dir, 'db'), { recursive: true });
  writeFileSync(conf, text);
  return conf;
}

export function startKnot(scope: Scope, dir: string, cpu: number): Promise<Server> {
  const conf = writeKnotConf(dir, { listen: `${HOST}@${PORTS.knot}` });
  return begin(scope, 'knot', cpu, ['knotd', '-c', conf]);
}

/** unbound with one thread, asking the server at `upstream` once for each name. */
export function startUnbound(
  scope: Scope,
  dir: string,
  cpu: number,
  upstream: Server,
): Promise<Server> {
  const conf = path.join(dir, 'unbound.conf');
  const text = `server:
  interface: ${HOST}
  port: ${PORTS.unbound}
  num-threads: 1
  do-daemonize: no
  use-syslog: no
  verbosity: 0
  chroot: ""
  username: ""
  directory: "${dir}"
  pidfile: ""
  module-config: "iterator"
  do-not-query-localhost: no
  cache-min-ttl: 3600
  cache-max-negative-ttl: 3600
  msg-cache-size: 64m
  rrset-cache-size: 64m
stub-zone:
  name: "${ZONE}"
  stub-addr: ${upstream.host}@${upstream.port}
remote-control:
  control-enable: no
`;
  writeFileSync(conf, text);
  return begin(scope, 'unbound', cpu, ['unbound', '-d', '-c', conf]);
}
