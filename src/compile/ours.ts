/**
 * Keys of the kernel's `ours` map: what an uplink hands to the lane when no flow row knows it.
 * Everything that is not named here passes to the host untouched.
 *
 *   0                 16      18      19       24
 *   +-----------------+-------+-------+--------+
 *   | address, mapped | port  | proto | zero   |      port in network order
 *   +-----------------+-------+-------+--------+
 *
 * A local pod is there with port 0 and protocol 0, a frontend with its own. An address of a
 * frontend that is used from outside is there with port 0 and the protocol, too: fragments of
 * that protocol, of which only the first names a port, climb all together. An address that tunnel packets
 * may come from is there with their port and a mark: it is looked up as a source. With another mark
 * there is every address of the node that tunnel packets may be to.
 */
import {
  Action,
  FRONTEND_ADDR_OFF,
  FRONTEND_KEY_OFF,
  FRONTEND_KEY_SIZE,
  FRONTEND_KIND_OFF,
  FRONTEND_PORT_OFF,
  FRONTEND_PROTO_OFF,
  FrontendKind,
  IPPROTO_UDP,
  ROUTE_ACTION_OFF,
  ROUTE_ADDR_OFF,
  TableId,
} from '../../assembly/abi.js';
import { ADDR_SIZE } from '../addr.js';
import type { Address } from '../addr.js';
import type { Row } from './rows.js';

const PORT_OFF = FRONTEND_PORT_OFF - FRONTEND_KEY_OFF;
const PORT_SIZE = FRONTEND_PROTO_OFF - FRONTEND_PORT_OFF;

/** u8: what an address has to do with tunnel packets to the port of the key. */
const TUNNEL_MARK_OFF = PORT_OFF + PORT_SIZE + 1;
const TUNNEL_PEER = 1;
const TUNNEL_HERE = 2;

function tunnelKey(address: Address, port: number, mark: number): Uint8Array {
  const key = new Uint8Array(FRONTEND_KEY_SIZE);
  key.set(address.bytes);
  new DataView(key.buffer).setUint16(PORT_OFF, port, false);
  key[PORT_OFF + PORT_SIZE] = IPPROTO_UDP;
  key[TUNNEL_MARK_OFF] = mark;
  return key;
}

/** Key of an address from which tunnel packets are taken. */
export function tunnelPeerKey(address: Address, port: number): Uint8Array {
  return tunnelKey(address, port, TUNNEL_PEER);
}

/** Key of an address of this node: tunnel packets to others are not looked at. */
export function tunnelHereKey(address: Address, port: number): Uint8Array {
  return tunnelKey(address, port, TUNNEL_HERE);
}

function oursKey(row: Row | undefined): Uint8Array | undefined {
  if (row?.table === TableId.FRONTEND && row.service !== undefined) {
    return row.bytes.slice(FRONTEND_KEY_OFF, FRONTEND_KEY_OFF + FRONTEND_KEY_SIZE);
  }
  if (row?.table === TableId.ROUTE && row.bytes[ROUTE_ACTION_OFF] === Action.POD) {
    const key = new Uint8Array(FRONTEND_KEY_SIZE);
    key.set(row.bytes.subarray(ROUTE_ADDR_OFF, ROUTE_ADDR_OFF + ADDR_SIZE));
    return key;
  }
  return undefined;
}

/** What the fragments to a frontend are known by; ClusterIPs are not used from outside. */
function fragmentKey(row: Row | undefined): Uint8Array | undefined {
  if (row?.table !== TableId.FRONTEND || row.service === undefined) return undefined;
  if (row.bytes[FRONTEND_KIND_OFF] === FrontendKind.CLUSTER_IP) return undefined;
  const key = row.bytes.slice(FRONTEND_ADDR_OFF, FRONTEND_KEY_OFF + FRONTEND_KEY_SIZE);
  return key.fill(0, PORT_OFF, PORT_OFF + PORT_SIZE);
}

/** A change of the kernel's map. Keys that come again are in neither. */
export interface OursChange {
  readonly added: readonly Uint8Array[];
  readonly removed: readonly Uint8Array[];
}

/** The keys of rows that are programmed, so that the lane knows them. */
export interface Ours {
  /** A programmed row has changed: see `Watcher`. */
  watch(before: Row | undefined, after: Row | undefined): void;
  /** All keys, each by its bytes as a string. */
  keys(): Map<string, Uint8Array>;
  /** What has changed since the last call. */
  takeChange(): OursChange;
}

function keysOf(row: Row | undefined): Uint8Array[] {
  return [oursKey(row), fragmentKey(row)].filter((key) => key !== undefined);
}

/** Several rows may come to one key: it is ours as long as one of them is programmed. */
export function createOurs(): Ours {
  const users = new Map<string, { readonly key: Uint8Array; count: number }>();
  /** Keys that have come or gone since the last change was taken, and whether they were there. */
  const touched = new Map<string, { readonly key: Uint8Array; readonly wasThere: boolean }>();

  const count = (key: Uint8Array, by: 1 | -1): void => {
    const name = keyName(key);
    const known = users.get(name);
    const now = (known?.count ?? 0) + by;
    if (known === undefined || now === 0) {
      if (!touched.has(name)) touched.set(name, { key, wasThere: known !== undefined });
    }
    if (now === 0) users.delete(name);
    else if (known) known.count = now;
    else users.set(name, { key, count: now });
  };

  return {
    watch: (before, after) => {
      for (const key of keysOf(after)) count(key, 1);
      for (const key of keysOf(before)) count(key, -1);
    },
    keys: () => new Map([...users].map(([name, { key }]) => [name, key])),
    takeChange: () => {
      const added: Uint8Array[] = [];
      const removed: Uint8Array[] = [];
      for (const [name, { key, wasThere }] of touched) {
        const isThere = users.has(name);
        if (isThere && !wasThere) added.push(key);
        if (wasThere && !isThere) removed.push(key);
      }
      touched.clear();
      return { added, removed };
    },
  };
}

/** The bytes as a string, which a Map can look up. */
function keyName(key: Uint8Array): string {
  return String.fromCharCode(...key);
}
