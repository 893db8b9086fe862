/** Punt: what the lane does not decide is the host's, unless it came from there. */
import { Action, Drop, LinkKind, Verdict } from '../abi';
import { Pkt, drop } from '../pkt';
import { Link } from '../tables';

/** Where a PUNT ends: the host's stack, or a named drop when the host itself sent it up. */
export function punt(p: Pkt): Verdict {
  if (p.link && Link.at(p.link).kind == LinkKind.HOST) return drop(p, Drop.NO_ROUTE);
  p.action = <u8>Action.HOST;
  p.outIfindex = p.inIfindex;
  return Verdict.PUNT;
}
