/**
 * Pkt: what is known of one frame in flight. 128 bytes, reused for every frame; a field is valid
 * only from the stage that writes it on.
 *
 *   field                      written by        valid
 *   frame len inIfindex port   engine            always
 *   l3 etherType flags         parse             always after parse
 *   src dst proto l4 ports     parse             PKT_F_IPV4 or PKT_F_IPV6; ports: TCP, UDP, SCTP,
 *                                                echo (PKT_F_LATER_FRAGMENT: by fragment, once
 *                                                `datagram` is not 0)
 *   tcpFlags sctpChunks        parse             TCP; SCTP
 *   link                       classify          always after classify
 *   row tally                  flow-lookup,      0 = no row
 *                              flow-create
 *   keptPort                   flow-lookup       no row
 *   service backend newX       service           always after service
 *   frontend origin            service           isService
 *   masquerade rejected
 *   datagram fragmentId        fragment          PKT_F_FRAGMENT
 *   route                      route             0 = a row said the way
 *   action outIfindex macs     route, nat        verdict TX
 *   drop                       any               verdict DROP
 */
import {
  Action,
  Drop,
  PKT_ACTION_OFF,
  PKT_BACKEND_OFF,
  PKT_DATAGRAM_OFF,
  PKT_DROP_OFF,
  PKT_DST_OFF,
  PKT_ETHER_TYPE_OFF,
  PKT_FLAGS_OFF,
  PKT_FRAGMENT_ID_OFF,
  PKT_FRONTEND_OFF,
  PKT_FRAME_OFF,
  PKT_IN_IFINDEX_OFF,
  PKT_KEPT_PORT_OFF,
  PKT_L3_OFF,
  PKT_L4_OFF,
  PKT_LEN_OFF,
  PKT_LINK_OFF,
  PKT_MASQUERADE_OFF,
  PKT_NEW_DST_OFF,
  PKT_NEW_PORTS_OFF,
  PKT_NEW_SRC_OFF,
  PKT_ORIGIN_OFF,
  PKT_OUT_IFINDEX_OFF,
  PKT_PORTS_OFF,
  PKT_PORT_OFF,
  PKT_PROTO_OFF,
  PKT_REJECTED_OFF,
  PKT_ROUTE_OFF,
  PKT_ROW_OFF,
  PKT_SCTP_CHUNKS_OFF,
  PKT_SERVICE_OFF,
  PKT_SIZE,
  PKT_SRC_OFF,
  PKT_TALLY_OFF,
  PKT_TCP_FLAGS_OFF,
  PKTS_BYTES,
  PKT_MACS_OFF,
  BURST_MAX,
  IPPROTO_SCTP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  PKT_F_ECHO,
  PKT_F_FRAGMENT,
  PKT_F_IPV4,
  PKT_F_LATER_FRAGMENT,
  PKT_NO_SERVICE,
  Verdict,
} from './abi';
import { Ipv4 } from './wire/ipv4';
import { Ipv6 } from './wire/ipv6';

@unmanaged
@final
export class Pkt {
  frame: u32;
  len: u32;
  inIfindex: u32;
  outIfindex: u32;
  l3: u16;
  l4: u16;
  etherType: u16;
  proto: u8;
  tcpFlags: u8;
  flags: u16;
  action: u8;
  drop: u8;
  /** Source port low, destination port high, each in network order; echo: the identifier twice. */
  ports: u32;
  srcHi: u64;
  srcLo: u64;
  dstHi: u64;
  dstLo: u64;
  row: u32;
  tally: u32;
  link: u32;
  port: u32;
  service: u32;
  backend: u32;
  newSrcHi: u64;
  newSrcLo: u64;
  newDstHi: u64;
  newDstLo: u64;
  newPorts: u32;
  /** Address of the next hop's MACs (destination, source); 0 = the kernel knows them. */
  macs: u32;
  /** FrontendKind. */
  frontend: u8;
  /** Origin. */
  origin: u8;
  masquerade: bool;
  rejected: bool;
  /** Address of the FRAGMENTS row of the datagram, 0 = none. */
  datagram: u32;
  fragmentId: u32;
  /** Address of the ROUTE row, 0 = none was asked for. */
  route: u32;
  /** One bit for each SCTP chunk type that stands before the data (wire/sctp.ts). */
  sctpChunks: u16;
  /** Source port, in network order, of the connection that this packet begins anew; 0 = none. */
  keptPort: u16;

  /** Make the record a fresh one. What only a later stage reads is for an earlier one to write. */
  begin(frame: u32, len: u32, inIfindex: u32, port: u32): void {
    const at = changetype<usize>(this);
    this.frame = frame;
    this.len = len;
    this.inIfindex = inIfindex;
    this.outIfindex = 0;
    store<u64>(at, 0, PKT_L3_OFF); // l3, l4, etherType, proto, tcpFlags
    store<u64>(at, 0, PKT_FLAGS_OFF); // flags, action, drop, ports
    store<u64>(at, 0, PKT_SRC_OFF); // addresses: nobody's until parse
    store<u64>(at, 0, PKT_SRC_OFF + 8);
    store<u64>(at, 0, PKT_ROW_OFF); // row, tally
    this.link = 0;
    this.port = port;
    this.service = PKT_NO_SERVICE;
    this.macs = 0;
    store<u64>(at, 0, PKT_FRONTEND_OFF); // frontend, origin, masquerade, rejected, datagram
    store<u64>(at, 0, PKT_FRAGMENT_ID_OFF); // fragmentId, route
  }

  /** Address of the IP or ARP header. */
  @inline get l3Ptr(): usize {
    return this.frame + this.l3;
  }

  /** Address of the transport header; meaningful when `l4` is not 0. */
  @inline get l4Ptr(): usize {
    return this.frame + this.l4;
  }

  /** Address of the 16-byte source address. */
  @inline get srcPtr(): usize {
    return changetype<usize>(this) + PKT_SRC_OFF;
  }

  @inline get dstPtr(): usize {
    return changetype<usize>(this) + PKT_DST_OFF;
  }

  @inline get newSrcPtr(): usize {
    return changetype<usize>(this) + PKT_NEW_SRC_OFF;
  }

  @inline get newDstPtr(): usize {
    return changetype<usize>(this) + PKT_NEW_DST_OFF;
  }

  @inline has(flag: i32): bool {
    return ((<i32>this.flags) & flag) != 0;
  }

  @inline mark(flag: i32): void {
    this.flags |= <u16>flag;
  }

  @inline get isService(): bool {
    return this.service != PKT_NO_SERVICE;
  }

  /**
   * Whether the packet belongs to a conversation that flow rows can describe: fragments as well, a
   * later one once the first has told its ports.
   */
  get isTracked(): bool {
    if (this.has(PKT_F_LATER_FRAGMENT) && this.datagram == 0) return false;
    // A CRC32c over the whole datagram cannot be mended in a part of it.
    if (this.proto == IPPROTO_SCTP) return !this.has(PKT_F_FRAGMENT);
    return this.proto == IPPROTO_TCP || this.proto == IPPROTO_UDP || this.has(PKT_F_ECHO);
  }

  /** Bytes of the datagram, from the IP header on; what follows is padding. */
  get datagramLen(): u32 {
    if (this.has(PKT_F_IPV4)) return Ipv4.at(this.l3Ptr).totalLength;
    return Ipv6.at(this.l3Ptr).datagramLen;
  }

  /** Bytes from the transport header to the end of the datagram; what follows is padding. */
  get l4Len(): u32 {
    return this.datagramLen - (this.l4 - this.l3);
  }
}

/** Name the reason and end the packet's way. */
export function drop(p: Pkt, reason: Drop): Verdict {
  p.drop = <u8>reason;
  return Verdict.DROP;
}

/** Name the way out and end the packet's way through the stages. */
export function send(p: Pkt, action: Action, outIfindex: u32): Verdict {
  p.action = <u8>action;
  p.outIfindex = outIfindex;
  return Verdict.TX;
}

if (offsetof<Pkt>('frame') != PKT_FRAME_OFF) ERROR('Pkt.frame');
if (offsetof<Pkt>('len') != PKT_LEN_OFF) ERROR('Pkt.len');
if (offsetof<Pkt>('inIfindex') != PKT_IN_IFINDEX_OFF) ERROR('Pkt.inIfindex');
if (offsetof<Pkt>('outIfindex') != PKT_OUT_IFINDEX_OFF) ERROR('Pkt.outIfindex');
if (offsetof<Pkt>('l3') != PKT_L3_OFF) ERROR('Pkt.l3');
if (offsetof<Pkt>('l4') != PKT_L4_OFF) ERROR('Pkt.l4');
if (offsetof<Pkt>('etherType') != PKT_ETHER_TYPE_OFF) ERROR('Pkt.etherType');
if (offsetof<Pkt>('proto') != PKT_PROTO_OFF) ERROR('Pkt.proto');
if (offsetof<Pkt>('tcpFlags') != PKT_TCP_FLAGS_OFF) ERROR('Pkt.tcpFlags');
if (offsetof<Pkt>('flags') != PKT_FLAGS_OFF) ERROR('Pkt.flags');
if (offsetof<Pkt>('action') != PKT_ACTION_OFF) ERROR('Pkt.action');
if (offsetof<Pkt>('drop') != PKT_DROP_OFF) ERROR('Pkt.drop');
if (offsetof<Pkt>('ports') != PKT_PORTS_OFF) ERROR('Pkt.ports');
if (offsetof<Pkt>('srcHi') != PKT_SRC_OFF) ERROR('Pkt.srcHi');
if (offsetof<Pkt>('dstHi') != PKT_DST_OFF) ERROR('Pkt.dstHi');
if (offsetof<Pkt>('row') != PKT_ROW_OFF) ERROR('Pkt.row');
if (offsetof<Pkt>('tally') != PKT_TALLY_OFF) ERROR('Pkt.tally');
if (offsetof<Pkt>('link') != PKT_LINK_OFF) ERROR('Pkt.link');
if (offsetof<Pkt>('port') != PKT_PORT_OFF) ERROR('Pkt.port');
if (offsetof<Pkt>('service') != PKT_SERVICE_OFF) ERROR('Pkt.service');
if (offsetof<Pkt>('backend') != PKT_BACKEND_OFF) ERROR('Pkt.backend');
if (offsetof<Pkt>('newSrcHi') != PKT_NEW_SRC_OFF) ERROR('Pkt.newSrcHi');
if (offsetof<Pkt>('newDstHi') != PKT_NEW_DST_OFF) ERROR('Pkt.newDstHi');
if (offsetof<Pkt>('newPorts') != PKT_NEW_PORTS_OFF) ERROR('Pkt.newPorts');
if (offsetof<Pkt>('macs') != PKT_MACS_OFF) ERROR('Pkt.macs');
if (offsetof<Pkt>('frontend') != PKT_FRONTEND_OFF) ERROR('Pkt.frontend');
if (offsetof<Pkt>('origin') != PKT_ORIGIN_OFF) ERROR('Pkt.origin');
if (offsetof<Pkt>('masquerade') != PKT_MASQUERADE_OFF) ERROR('Pkt.masquerade');
if (offsetof<Pkt>('rejected') != PKT_REJECTED_OFF) ERROR('Pkt.rejected');
if (offsetof<Pkt>('datagram') != PKT_DATAGRAM_OFF) ERROR('Pkt.datagram');
if (offsetof<Pkt>('fragmentId') != PKT_FRAGMENT_ID_OFF) ERROR('Pkt.fragmentId');
if (offsetof<Pkt>('route') != PKT_ROUTE_OFF) ERROR('Pkt.route');
if (offsetof<Pkt>('keptPort') != PKT_KEPT_PORT_OFF) ERROR('Pkt.keptPort');
if (offsetof<Pkt>('sctpChunks') != PKT_SCTP_CHUNKS_OFF) ERROR('Pkt.sctpChunks');
if (<i32>offsetof<Pkt>() > PKT_SIZE) ERROR('Pkt outgrew its record');
if (PKT_SIZE * BURST_MAX > PKTS_BYTES) ERROR('PKTS is too small for a burst');
