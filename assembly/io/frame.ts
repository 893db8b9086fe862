/** What surrounds the Ethernet frame: the trunk's stamps and AF_PACKET's virtio header. */
import {
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  PKT_F_ANSWER,
  PKT_F_FRAGMENT,
  PKT_F_GSO,
  PKT_F_PARTIAL_CSUM,
  PortKind,
  STAMP_PREFIX_0,
  STAMP_PREFIX_1,
  VNET_F_NEEDS_CSUM,
  VNET_HLEN,
} from '../abi';
import { Pkt } from '../pkt';
import { checksum, udpNonZero } from '../wire/checksum';
import { Eth } from '../wire/eth';
import { Sctp, sctpComplete } from '../wire/sctp';
import { Tcp } from '../wire/tcp';
import { Udp } from '../wire/udp';
import { Port } from './port';

/** First two bytes of a stamp as they lie in memory. */
const STAMP_HEAD: u16 = <u16>(STAMP_PREFIX_0 | (STAMP_PREFIX_1 << 8));
/** Offset of gso_type within virtio_net_hdr; 0 = VIRTIO_NET_HDR_GSO_NONE. */
const VNET_GSO_TYPE_OFF: usize = 1;

/** The link a frame on the trunk came from; 0 when it carries no stamp. */
export function stampOf(p: Pkt): u32 {
  const eth = Eth.at(p.frame);
  return p.len >= 14 && eth.srcHeadBe == STAMP_HEAD ? eth.srcTailBe : 0;
}

/** Address a frame to the trunk's program: the way out, and what to do there. */
export function stampFrame(p: Pkt): void {
  const eth = Eth.at(p.frame);
  eth.setDstBe(STAMP_HEAD, p.outIfindex);
  eth.setSrcBe(STAMP_HEAD, p.action);
}

/** Learn from the virtio header what the frame itself does not show. */
export function readVnetHeader(p: Pkt): void {
  const header: usize = p.frame - VNET_HLEN;
  if (load<u8>(header) & VNET_F_NEEDS_CSUM) p.mark(PKT_F_PARTIAL_CSUM);
  if (load<u8>(header, VNET_GSO_TYPE_OFF) != 0) p.mark(PKT_F_GSO);
}

/**
 * A frame that leaves with a virtio header has the one it came with. One that came without, or that
 * we wrote ourselves, gets the header that says nothing is left to do.
 */
export function writeVnetHeader(p: Pkt): void {
  const isKept = p.port && Port.at(p.port).kind == PortKind.VNET && !p.has(PKT_F_ANSWER);
  // The kernel would take an SCTP checksum that is left to it for an Internet checksum
  // (virtio_net_hdr_to_skb, linux/virtio_net.h): the header cannot say which it is.
  const isPartialSctp = p.proto == IPPROTO_SCTP && p.has(PKT_F_PARTIAL_CSUM);
  if (isPartialSctp) completeChecksum(p);
  else if (isKept) return;
  memory.fill(p.frame - VNET_HLEN, 0, VNET_HLEN);
}

/**
 * Sum what the device would have summed: TCP's and UDP's field holds the pseudo-header's sum
 * already. A fragment has no whole transport checksum, and its header has not been proven to be there.
 */
export function completeChecksum(p: Pkt): void {
  if (!p.isTracked || p.has(PKT_F_FRAGMENT)) return;
  const len = p.l4Len;
  if (p.proto == IPPROTO_TCP) Tcp.at(p.l4Ptr).setChecksumBe(checksum(p.l4Ptr, len));
  if (p.proto == IPPROTO_UDP) Udp.at(p.l4Ptr).setChecksumBe(udpNonZero(checksum(p.l4Ptr, len)));
  if (p.proto == IPPROTO_SCTP) sctpComplete(Sctp.at(p.l4Ptr), len);
}
