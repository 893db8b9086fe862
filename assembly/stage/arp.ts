/**
 * ARP: the gateway's answer on a pod link. A pod has a /32 and one neighbour, so whatever it asks
 * for is behind us (proxy ARP, RFC 1027) and the answer is always the same address.
 */
import { Action, Drop, LinkKind, PKT_F_ANSWER, Verdict } from '../abi';
import { GATEWAY_MAC_HEAD, GATEWAY_MAC_TAIL } from '../mem/gateway';
import { Pkt, drop, send } from '../pkt';
import { Link } from '../tables';
import { ARP_OP_REPLY, ARP_OP_REQUEST, Arp } from '../wire/arp';
import { ETHERTYPE_ARP, Eth } from '../wire/eth';

export function arp(p: Pkt): Verdict {
  if (p.etherType != ETHERTYPE_ARP) return Verdict.NONE;
  const link = Link.at(p.link);
  const request = Arp.at(p.l3Ptr);
  if (link.kind != LinkKind.POD || request.op != ARP_OP_REQUEST)
    return drop(p, Drop.ARP_NOT_FOR_US);
  const asker = request.senderIpBe;
  const wanted = request.targetIpBe;
  // A probe (RFC 5227 2.1.1) or an announcement asks whether its own address is taken: it is not.
  if (asker == 0 || wanted == asker || wanted == link.addr4Be) return drop(p, Drop.ARP_NOT_FOR_US);
  answer(p, request, asker, wanted);
  return send(p, Action.POD, p.inIfindex);
}

/** Turn the request into its reply, in place. */
function answer(p: Pkt, arp: Arp, asker: u32, wanted: u32): void {
  const eth = Eth.at(p.frame);
  arp.setOp(ARP_OP_REPLY);
  arp.setTargetMacBe(load<u16>(arp.senderMacPtr), load<u32>(arp.senderMacPtr, 2));
  arp.setTargetIpBe(asker);
  arp.setSenderMacBe(GATEWAY_MAC_HEAD, GATEWAY_MAC_TAIL);
  arp.setSenderIpBe(wanted);
  eth.copyDst(arp.targetMacPtr);
  eth.setSrcBe(GATEWAY_MAC_HEAD, GATEWAY_MAC_TAIL);
  p.mark(PKT_F_ANSWER);
}
