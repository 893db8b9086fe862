/** Configuration keys of what a kube-proxy does. */
import { z } from 'zod';
import { parseCidr } from '../addr.js';
import type { Cidr } from '../addr.js';
import { NODE_PORT_KEYWORDS } from '../compile/node-ports.js';
import type { NodePortEntry } from '../compile/node-ports.js';
import { IFNAME_MAX, count, ifname, onOff, row, rowOr } from './rows.js';
import { ALGORITHMS } from '../model/exposure.js';
import type { Algorithm } from '../model/exposure.js';
import { parsed } from '../validate.js';

const DETECT_MODES = [
  'Links',
  'ClusterCIDR',
  'NodeCIDR',
  'BridgeInterface',
  'InterfaceNamePrefix',
  'None',
] as const;

const detectLocalSchema = z.strictObject({
  mode: rowOr(
    z.enum(DETECT_MODES),
    'Links',
    'MODE',
    `whom to take for a pod of this node: ${DETECT_MODES.join(', ')}; Links is who comes by a link that Sluice made`,
  ),
  bridgeInterface: row(
    ifname(IFNAME_MAX).optional(),
    'IFNAME',
    'with BridgeInterface: who comes by this interface',
  ),
  interfaceNamePrefix: row(
    ifname(IFNAME_MAX).optional(),
    'PREFIX',
    'with InterfaceNamePrefix: who comes by an interface whose name begins so',
  ),
});

const loadBalancingSchema = z.strictObject({
  algorithm: rowOr(
    z.enum(ALGORITHMS),
    'random',
    ALGORITHMS.join('|'),
    'how a new flow gets its backend, unless the Service says it (sluice.dev/lb-algorithm)',
  ),
  seed: rowOr(
    count(0, 2 ** 32 - 1),
    0,
    'NUMBER',
    'seed of Maglev hashing, the same on all nodes of a cluster',
  ),
});

const externalIPsSchema = z.strictObject({
  allowed: rowOr(
    z.array(parsed(parseCidr)),
    ['0.0.0.0/0', '::/0'],
    'list of CIDR',
    'externalIPs outside of these are not served (CVE-2020-8554); default everything',
  ),
});

/** Milliseconds are compared as 32-bit times that wrap: half of the range is the most. */
const seconds = count(1, 2_147_483);

const timeoutsSchema = z.strictObject({
  tcpEstablished: rowOr(seconds, 86_400, 'seconds', 'an established TCP flow is silent'),
  tcpCloseWait: rowOr(seconds, 3_600, 'seconds', 'a TCP flow that one side has closed is silent'),
  udp: rowOr(seconds, 30, 'seconds', 'a UDP flow without an answer is silent'),
  udpStream: rowOr(seconds, 120, 'seconds', 'a UDP flow that was answered is silent'),
});

/** Keys of the document itself. */
export const proxyRows = {
  nodePortAddresses: rowOr(
    z.array(
      z.union([z.enum(NODE_PORT_KEYWORDS), parsed(parseCidr)], {
        error: `expected ${NODE_PORT_KEYWORDS.join(', ')} or a prefix such as 192.0.2.0/24`,
      }),
    ),
    [],
    'list',
    "where node ports are served: CIDRs of this node's addresses, primary, localhost (127.0.0.1), all; empty is primary",
  ),
  clusterCIDRs: rowOr(
    z.array(parsed(parseCidr)),
    [],
    'list of CIDR',
    'addresses of all pods of the cluster, at most one range a family; for detectLocal',
  ),
  detectLocal: rowOr(detectLocalSchema, {}, 'mapping', 'how pods are told from others'),
  masqueradeAll: rowOr(onOff, 'off', 'on|off', 'masquerade everything that goes to a ClusterIP'),
  externalIPs: rowOr(externalIPsSchema, {}, 'mapping', 'externalIPs of Services'),
  loadBalancing: rowOr(loadBalancingSchema, {}, 'mapping', 'how flows are spread over endpoints'),
  resetRemovedEndpoints: rowOr(
    onOff,
    'off',
    'on|off',
    'reset TCP flows of endpoints that are gone instead of leaving them alone',
  ),
  timeouts: rowOr(
    timeoutsSchema,
    {},
    'mapping',
    'a flow is forgotten when it was silent for so long',
  ),
};

type Parsed = z.output<z.ZodObject<typeof proxyRows>>;
export type TimeoutsConfig = z.output<typeof timeoutsSchema>;

/** Whom to take for a pod, with what the mode needs. */
export type DetectLocal =
  | { readonly mode: 'Links' | 'ClusterCIDR' | 'NodeCIDR' | 'None' }
  | { readonly mode: 'BridgeInterface'; readonly bridgeInterface: string }
  | { readonly mode: 'InterfaceNamePrefix'; readonly interfaceNamePrefix: string };

/** With every default filled in. */
export interface ProxyConfig {
  readonly nodePortAddresses: readonly NodePortEntry[];
  readonly clusterCIDRs: readonly Cidr[];
  readonly detectLocal: DetectLocal;
  readonly masqueradeAll: boolean;
  readonly externalIPs: { readonly allowed: readonly Cidr[] };
  readonly loadBalancing: { readonly algorithm: Algorithm; readonly seed: number };
  readonly resetRemovedEndpoints: boolean;
  readonly timeouts: TimeoutsConfig;
}

/** A rule that is not kept: where, and what was expected. */
export interface Broken {
  readonly path: PropertyKey[];
  readonly expectation: string;
}

/** A mode of detectLocal needs what it names. */
export function proxyChecks({ detectLocal, clusterCIDRs }: Parsed): Broken[] {
  const { mode, bridgeInterface, interfaceNamePrefix } = detectLocal;
  const needs = {
    ClusterCIDR: ['clusterCIDRs', clusterCIDRs.length > 0],
    BridgeInterface: ['detectLocal.bridgeInterface', bridgeInterface !== undefined],
    InterfaceNamePrefix: ['detectLocal.interfaceNamePrefix', interfaceNamePrefix !== undefined],
  } as const;
  const broken: Broken[] = [];
  const [key, isGiven] = mode in needs ? needs[mode as keyof typeof needs] : ['', true];
  if (!isGiven)
    broken.push({ path: ['detectLocal', 'mode'], expectation: `expected ${key} with it` });
  clusterCIDRs.forEach((cidr, i) => {
    if (clusterCIDRs.findIndex((other) => other.family === cidr.family) < i) {
      broken.push({ path: ['clusterCIDRs', i], expectation: 'expected one range a family' });
    }
  });
  return broken;
}

/** @param detectLocal  checked: it has what its mode needs */
function completeDetectLocal({ mode, ...given }: Parsed['detectLocal']): DetectLocal {
  const { bridgeInterface = '', interfaceNamePrefix = '' } = given;
  if (mode === 'BridgeInterface') return { mode, bridgeInterface };
  return mode === 'InterfaceNamePrefix' ? { mode, interfaceNamePrefix } : { mode };
}

/** Fill in what depends on other keys. */
export function completeProxy(parsedRows: Parsed): ProxyConfig {
  return {
    nodePortAddresses: parsedRows.nodePortAddresses,
    clusterCIDRs: parsedRows.clusterCIDRs,
    detectLocal: completeDetectLocal(parsedRows.detectLocal),
    masqueradeAll: parsedRows.masqueradeAll,
    externalIPs: parsedRows.externalIPs,
    loadBalancing: parsedRows.loadBalancing,
    resetRemovedEndpoints: parsedRows.resetRemovedEndpoints,
    timeouts: parsedRows.timeouts,
  };
}
