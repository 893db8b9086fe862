/**
 * Keys of the kernel's `ours` map: what an uplink hands to the lane when no flow row knows it.
 * Everything that is not named here passes to the host untouched.
 *
 *   0                 16      18      19       24
 *   +-----------------+-------+-------+--------+
 *   | address, mapped | port  | proto | zero   |      port in network order
 *   +-----------------+-------+-------+--------+
 *
 * A local pod is there with port 0 and protocol 0, a frontend with its own.
 */
import {
  Action,
  FRONTEND_KEY_OFF,
  FRONTEND_KEY_SIZE,
  ROUTE_ACTION_OFF,
  ROUTE_ADDR_OFF,
  TableId,
} from '../../assembly/abi.js';
import { ADDR_SIZE } from '../addr.js';
import type { Row, RowKey } from './rows.js';
import type { Tracker } from './tracker.js';

function oursKey(row: Row): Uint8Array | undefined {
  if (row.table === TableId.FRONTEND && row.service !== undefined) {
    return row.bytes.slice(FRONTEND_KEY_OFF, FRONTEND_KEY_OFF + FRONTEND_KEY_SIZE);
  }
  if (row.table === TableId.ROUTE && row.bytes[ROUTE_ACTION_OFF] === Action.POD) {
    const key = new Uint8Array(FRONTEND_KEY_SIZE);
    key.set(row.bytes.subarray(ROUTE_ADDR_OFF, ROUTE_ADDR_OFF + ADDR_SIZE));
    return key;
  }
  return undefined;
}

/** Keys by the row they come from: of rows that are programmed, so that the lane knows them. */
export function oursKeys(tracker: Tracker): Map<RowKey, Uint8Array> {
  const keys = new Map<RowKey, Uint8Array>();
  for (const rowKey of tracker.programmedKeys()) {
    const row = tracker.programmed(rowKey);
    const key = row && oursKey(row);
    if (key) keys.set(rowKey, key);
  }
  return keys;
}
