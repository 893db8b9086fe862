/**
 * The control plane's tables as the stages read them: one view a row, offsets from abi.ts.
 * Rows change only between bursts (delta.ts), so a stage may hold a row for its whole run.
 */
import {
  FRONTEND_KIND_OFF,
  FRONTEND_SERVICE_MASK,
  FRONTEND_SERVICE_OFF,
  LINK_ADDR4_OFF,
  LINK_ADDR6_OFF,
  LINK_FLAGS_OFF,
  LINK_F_POD,
  LINK_F_TUNNEL,
  LINK_F_SHAPED,
  LINK_KIND_OFF,
  LINK_MAC_OFF,
  LINK_MTU_OFF,
  LINK_OWN_MAC_OFF,
  LINK_PORT_OFF,
  ROUTE_ACTION_OFF,
  ROUTE_DST_MAC_OFF,
  ROUTE_FLAGS_OFF,
  ROUTE_F_OWN,
  ROUTE_F_TUNNEL,
  ROUTE_IFINDEX_OFF,
  ROUTE_MTU_OFF,
  ROUTE_SRC_MAC_OFF,
  RegionId,
} from './abi';
import { WORDS_1, WORDS_3, tableFind } from './table/hash-table';
import { lpmFind } from './table/lpm';

// The two MACs of a next hop are copied as twelve bytes.
if (ROUTE_SRC_MAC_OFF != ROUTE_DST_MAC_OFF + 6) ERROR('the MACs of a route lie together');
if (LINK_OWN_MAC_OFF != LINK_MAC_OFF + 6) ERROR('the MACs of a link lie together');

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

  /** Whether a pod speaks here, for those who tell by the link. */
  @inline get isPods(): bool {
    return (load<u8>(changetype<usize>(this), LINK_FLAGS_OFF) & LINK_F_POD) != 0;
  }

  /** Whether only other nodes are beyond it, and they are told nothing but pods' addresses. */
  @inline get isTunnel(): bool {
    return (load<u8>(changetype<usize>(this), LINK_FLAGS_OFF) & LINK_F_TUNNEL) != 0;
  }

  /** Whether packets have to pass a queueing discipline on our end. */
  @inline get isShaped(): bool {
    return (load<u8>(changetype<usize>(this), LINK_FLAGS_OFF) & LINK_F_SHAPED) != 0;
  }

  /** Longest IP packet, bytes. */
  @inline get mtu(): u32 {
    return load<u32>(changetype<usize>(this), LINK_MTU_OFF);
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

  /** ROUTE_F_*. */
  @inline get flags(): i32 {
    return load<u8>(changetype<usize>(this), ROUTE_FLAGS_OFF);
  }

  @inline get isTunnel(): bool {
    return (this.flags & ROUTE_F_TUNNEL) != 0;
  }

  /** Longest IP packet, bytes; 0 = the link's. */
  @inline get mtu(): u32 {
    return load<u32>(changetype<usize>(this), ROUTE_MTU_OFF);
  }

  @inline get dstMacPtr(): usize {
    return changetype<usize>(this) + ROUTE_DST_MAC_OFF;
  }
}

/**
 * Longest IP packet that a way out takes, bytes; 0 = no limit known.
 *
 * @param route    address of the ROUTE row, 0 = none
 * @param ifindex  the link it leaves by
 */
export function wayMtu(route: usize, ifindex: u32): u32 {
  const own = route ? Route.at(route).mtu : 0;
  if (own != 0) return own;
  const link = Link.find(ifindex);
  return link ? Link.at(link).mtu : 0;
}

/** Whether a 16-byte address is the host's own, loopback included where it counts as such. */
export function isOwnAddr(addr: usize): bool {
  const route = lpmFind(addr);
  return route != 0 && (Route.at(route).flags & ROUTE_F_OWN) != 0;
}

/**
 * The frontend of an address and port.
 *
 * @param addr    16 bytes, IPv4 mapped
 * @param portBe  0 with protocol 0 asks whether the address is a service's at all
 * @returns       address of its row, 0 = none
 */
export function findFrontend(addr: usize, portBe: u16, proto: u8): usize {
  const last = (<u64>portBe) | ((<u64>proto) << 16);
  return tableFind(RegionId.FRONTENDS, WORDS_3, load<u64>(addr), load<u64>(addr, 8), last);
}

/** Row of SERVICES behind a frontend row. */
export function frontendService(row: usize): u32 {
  return load<u32>(row, FRONTEND_SERVICE_OFF) & FRONTEND_SERVICE_MASK;
}

export function frontendKind(row: usize): u8 {
  return load<u8>(row, FRONTEND_KIND_OFF);
}
