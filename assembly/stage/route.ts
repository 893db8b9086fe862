/**
 * Route: the way to the (translated) destination. Decides without a row; the row, if there will be
 * one, repeats it.
 */
import { Action, Drop, LinkKind, ROUTE_F_SERVICE, Verdict } from '../abi';
import { hasMac } from '../mem/addr';
import { Pkt, drop } from '../pkt';
import { lpmFind } from '../table/lpm';
import { Link, Route } from '../tables';

/** Leaves `action`, `outIfindex` and `macs` in the packet. */
export function route(p: Pkt): Verdict {
  const found = lpmFind(p.newDstPtr);
  if (!found) return drop(p, Drop.NO_ROUTE);
  const way = Route.at(found);
  p.route = <u32>found;
  p.action = way.action;
  p.outIfindex = way.ifindex;
  p.macs = hasMac(way.dstMacPtr) ? <u32>way.dstMacPtr : 0;
  if (way.flags & ROUTE_F_SERVICE) return drop(p, Drop.SERVICE_ADDRESS_UNKNOWN);
  if (way.action == Action.NONE || way.action == Action.LANE) return drop(p, Drop.NO_ROUTE);
  // Untranslated, what the host sent up is not for the host: it would send it up again.
  const isFromHost = Link.at(p.link).kind == LinkKind.HOST;
  if (way.action == Action.HOST && isFromHost && !p.isService) return drop(p, Drop.NO_ROUTE);
  return Verdict.NONE;
}
