/**
 * The control plane's tables as the stages read them: one view a row, offsets from abi.ts.
 * Rows change only between bursts (delta.ts), so a stage may hold a row for its whole run.
 */
import {
  BACKEND_ADDR_OFF,
  BACKEND_ID_OFF,
  BACKEND_PORT_OFF,
  BACKEND_SIZE,
  FRONTEND_SERVICE_OFF,
  LINK_ADDR4_OFF,
  LINK_ADDR6_OFF,
  LINK_KIND_OFF,
  LINK_MAC_OFF,
  LINK_OWN_MAC_OFF,
  LINK_PORT_OFF,
  ROUTE_ACTION_OFF,
  ROUTE_DST_MAC_OFF,
  ROUTE_IFINDEX_OFF,
  ROUTE_SRC_MAC_OFF,
  RegionId,
  SERVICE_FLAGS_OFF,
  SERVICE_F_SILENT,
  SERVICE_ID_OFF,
  SERVICE_MAGLEV_COUNT_OFF,
  SERVICE_MAGLEV_OFF,
  SERVICE_SET_COUNT_OFF,
  SERVICE_SET_OFF,
  SERVICE_SIZE,
} from './abi';
import { regionBase, regionCapacity } from './mem/region';
import { WORDS_1, WORDS_3, tableFind } from './table/hash-table';
import { maglevPick } from './table/maglev';

// The two MACs of a next hop are copied as twelve bytes.
if (ROUTE_SRC_MAC_OFF != ROUTE_DST_MAC_OFF + 6) ERROR('the MACs of a route lie together');
if (LINK_OWN_MAC_OFF != LINK_MAC_OFF + 6) ERROR('the MACs of a link lie together');

/** A row that is none, where rows are named by index. */
export const NO_INDEX: u32 = 0xffffffff;

/** An interface and who lives behind it. */
@unmanaged
@final
export class Link {
  @inline static at(ptr: usize): Link {
    return changetype<Link>(ptr);
  }

  /** @returns address of the row, 0 = no such link */
  static find(ifindex: u32): usize {
    return tableFind(RegionId.LINKS, WORDS_1, ifindex, 0, 0);
  }

  @inline get kind(): u8 {
    return load<u8>(changetype<usize>(this), LINK_KIND_OFF);
  }

  /** Number of the I/O port that reaches the link directly, from 1; 0 = through the trunk. */
  @inline get port(): u8 {
    return load<u8>(changetype<usize>(this), LINK_PORT_OFF);
  }

  @inline get addr4Be(): u32 {
    return load<u32>(changetype<usize>(this), LINK_ADDR4_OFF);
  }

  @inline get addr6Ptr(): usize {
    return changetype<usize>(this) + LINK_ADDR6_OFF;
  }

  /** Address of the far end's MAC. */
  @inline get macPtr(): usize {
    return changetype<usize>(this) + LINK_MAC_OFF;
  }
}

/** A way to a prefix. */
@unmanaged
@final
export class Route {
  @inline static at(ptr: usize): Route {
    return changetype<Route>(ptr);
  }

  @inline get action(): u8 {
    return load<u8>(changetype<usize>(this), ROUTE_ACTION_OFF);
  }

  @inline get ifindex(): u32 {
    return load<u32>(changetype<usize>(this), ROUTE_IFINDEX_OFF);
  }

  @inline get dstMacPtr(): usize {
    return changetype<usize>(this) + ROUTE_DST_MAC_OFF;
  }
}

/**
 * The service behind a frontend.
 *
 * @param addr    16 bytes, IPv4 mapped
 * @param portBe  0 with protocol 0 asks whether the address is a service's at all
 * @returns       row index in SERVICES or NO_INDEX
 */
export function findFrontend(addr: usize, portBe: u16, proto: u8): u32 {
  const last = (<u64>portBe) | ((<u64>proto) << 16);
  const row = tableFind(RegionId.FRONTENDS, WORDS_3, load<u64>(addr), load<u64>(addr, 8), last);
  return row ? load<u32>(row, FRONTEND_SERVICE_OFF) : NO_INDEX;
}

/** Address of a service's row. */
export function serviceAt(idx: u32): usize {
  return regionBase(RegionId.SERVICES) + idx * SERVICE_SIZE;
}

export function serviceId(idx: u32): u32 {
  return load<u32>(serviceAt(idx), SERVICE_ID_OFF);
}

/** Whether a service without a usable backend keeps quiet about it. */
export function isSilent(idx: u32): bool {
  return (load<u32>(serviceAt(idx), SERVICE_FLAGS_OFF) & SERVICE_F_SILENT) != 0;
}

export function backendAt(idx: u32): usize {
  return regionBase(RegionId.BACKENDS) + idx * BACKEND_SIZE;
}

export function backendAddr(idx: u32): usize {
  return backendAt(idx) + BACKEND_ADDR_OFF;
}

export function backendPortBe(idx: u32): u16 {
  return load<u16>(backendAt(idx), BACKEND_PORT_OFF);
}

export function backendId(idx: u32): u32 {
  return load<u32>(backendAt(idx), BACKEND_ID_OFF);
}

/**
 * The backend a hash chooses.
 *
 * @returns row index in BACKENDS, NO_INDEX when the service has none
 */
export function pickBackend(serviceIdx: u32, hash: u32): u32 {
  const service = serviceAt(serviceIdx);
  const m = load<u32>(service, SERVICE_MAGLEV_COUNT_OFF);
  const members = load<u32>(service, SERVICE_SET_COUNT_OFF);
  if (m == 0 || members == 0) return NO_INDEX;
  const table =
    regionBase(RegionId.MAGLEV) + ((<usize>load<u32>(service, SERVICE_MAGLEV_OFF)) << 1);
  const member = maglevPick(table, m, hash);
  if (member >= members) return NO_INDEX;
  const entry = load<u32>(service, SERVICE_SET_OFF) + member;
  const backend = load<u32>(regionBase(RegionId.SETS) + ((<usize>entry) << 2));
  return backend < regionCapacity(RegionId.BACKENDS) ? backend : NO_INDEX;
}
