/**
 * Rows of flows that leave by a tunnel repeat what the route to their destination says: the device,
 * both MACs, the longest packet. When the route changes, because another node has another VTEP or
 * the path to it is found narrower, they follow. Other rows stand on what never changes under them,
 * or is purged.
 */
import {
  Action,
  CONTROL_BASE,
  CONTROL_ROUTES_STALE_OFF,
  FLOW_F_MACS,
  FLOW_F_TUNNEL,
  LINK_MTU_OFF,
  ROUTE_ACTION_OFF,
  ROUTE_DST_MAC_OFF,
  ROUTE_FLAGS_OFF,
  ROUTE_F_TUNNEL,
  ROUTE_IFINDEX_OFF,
  ROUTE_MTU_OFF,
  ROUTE_SRC_MAC_OFF,
  RegionId,
  SCRATCH_BASE,
} from '../abi';
import { copyAddr, copyMac, copyMapped } from '../mem/addr';
import { WORDS_1, tableFind } from '../table/hash-table';
import { lpmFind } from '../table/lpm';
import { rewriteRow, seal } from './flow-table';
import { Row, isV4, mtuOff, newDstOff } from './row';

/** A route that rows may repeat is not what it was. */
export function staleRoutes(): void {
  store<u32>(CONTROL_BASE + CONTROL_ROUTES_STALE_OFF, 1);
}

/** @returns whether routes have changed since this was asked last */
export function takeStaleRoutes(): bool {
  const word: usize = CONTROL_BASE + CONTROL_ROUTES_STALE_OFF;
  const isStale = load<u32>(word) != 0;
  store<u32>(word, 0);
  return isStale;
}

/** Have a row say what its route says, if one of them is of a tunnel. */
export function followRoute<F>(row: Row): void {
  if (row.action != <u8>Action.UPLINK) return;
  const found = routeOf<F>(row);
  const wasTunnel = (row.flags & FLOW_F_TUNNEL) != 0;
  const isTunnel = found != 0 && (load<u8>(found, ROUTE_FLAGS_OFF) & ROUTE_F_TUNNEL) != 0;
  // Nobody is there any more: the row is left to time out.
  if (!found || load<u8>(found, ROUTE_ACTION_OFF) != <u8>Action.UPLINK) return;
  if (!(wasTunnel || isTunnel) || saysSame<F>(row, found, isTunnel)) return;
  rewriteRow<F>(row);
  row.setOutIfindex(load<u32>(found, ROUTE_IFINDEX_OFF));
  store<u16>(row.ptr + mtuOff<F>(), mtuOf(found));
  const others = row.flags & ~(FLOW_F_MACS | FLOW_F_TUNNEL);
  row.setFlags(isTunnel ? others | FLOW_F_MACS | FLOW_F_TUNNEL : others);
  copyMac(row.dstMacPtr, found + ROUTE_DST_MAC_OFF);
  copyMac(row.srcMacPtr, found + ROUTE_SRC_MAC_OFF);
  seal<F>(row);
}

/** The route to where the row's packets go, 0 = none. */
function routeOf<F>(row: Row): usize {
  const dst = row.ptr + newDstOff<F>();
  const mapped: usize = SCRATCH_BASE;
  if (isV4<F>()) copyMapped(mapped, load<u32>(dst));
  else copyAddr(mapped, dst);
  return lpmFind(mapped);
}

function saysSame<F>(row: Row, route: usize, isTunnel: bool): bool {
  return (
    ((row.flags & FLOW_F_TUNNEL) != 0) == isTunnel &&
    row.outIfindex == load<u32>(route, ROUTE_IFINDEX_OFF) &&
    load<u16>(row.ptr + mtuOff<F>()) == mtuOf(route) &&
    load<u64>(row.dstMacPtr) == load<u64>(route, ROUTE_DST_MAC_OFF) &&
    load<u32>(row.dstMacPtr, 8) == load<u32>(route, ROUTE_DST_MAC_OFF + 8)
  );
}

/** Longest packet by a route, 0 = no limit known: `wayMtu` of tables.ts. */
function mtuOf(route: usize): u16 {
  const own = load<u32>(route, ROUTE_MTU_OFF);
  const ifindex = load<u32>(route, ROUTE_IFINDEX_OFF);
  const link = tableFind(RegionId.LINKS, WORDS_1, ifindex, 0, 0);
  const mtu = own == 0 && link ? load<u32>(link, LINK_MTU_OFF) : own;
  return mtu > 0xffff ? 0 : <u16>mtu;
}
