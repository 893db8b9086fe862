/**
 * Route: the way to the (translated) destination. Decides without a row; the row, if there will be
 * one, repeats it.
 */
import { Action, Drop, LinkKind, Verdict } from '../abi';
import { Pkt, drop } from '../pkt';
import { lpmFind } from '../table/lpm';
import { Link, Route } from '../tables';

/** Leaves `action` and `outIfindex` in the packet. */
export function route(p: Pkt): Verdict {
  const found = lpmFind(p.newDstPtr);
  if (!found) return drop(p, Drop.NO_ROUTE);
  const way = Route.at(found);
  p.action = way.action;
  p.outIfindex = way.ifindex;
  p.macs = hasMac(way.dstMacPtr) ? <u32>way.dstMacPtr : 0;
  if (way.action == Action.NONE || way.action == Action.LANE) return drop(p, Drop.NO_ROUTE);
  // What the host sent up is not for the host: it would send it up again.
  if (way.action == Action.HOST && Link.at(p.link).kind == LinkKind.HOST)
    return drop(p, Drop.NO_ROUTE);
  return Verdict.NONE;
}

/** Whether six bytes are an address and not all zero. */
function hasMac(ptr: usize): bool {
  return (load<u32>(ptr) | load<u16>(ptr, 4)) != 0;
}
