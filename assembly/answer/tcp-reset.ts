/** A reset in the name of whom a segment was meant for (RFC 9293 3.10.7.1). */
import { Drop, IPPROTO_TCP, Verdict } from '../abi';
import { be32 } from '../mem/be';
import { Pkt, drop } from '../pkt';
import { finish, sum } from '../wire/checksum';
import {
  TCP_FLAG_ACK,
  TCP_FLAG_FIN,
  TCP_FLAG_RST,
  TCP_FLAG_SYN,
  TCP_HLEN,
  Tcp,
  tcpBegin,
} from '../wire/tcp';
import { pseudoSum, sendBack, writeHeader } from './header';

/** Turn a TCP segment into the reset that answers it; a reset is never answered. */
export function answerReset(p: Pkt): Verdict {
  const asked = Tcp.at(p.l4Ptr);
  const flags = asked.flags;
  if (flags & TCP_FLAG_RST) return drop(p, Drop.ERROR_NOT_ANSWERED);
  const dataLen = p.l4Len - asked.hlen;
  const opens: u32 = flags & TCP_FLAG_SYN ? 1 : 0;
  const closes: u32 = flags & TCP_FLAG_FIN ? 1 : 0;
  // What acknowledges is told the number it expects; what does not is acknowledged.
  const hasAck = (flags & TCP_FLAG_ACK) != 0;
  const seq: u32 = hasAck ? asked.ack : 0;
  const ack: u32 = hasAck ? 0 : asked.seq + dataLen + opens + closes;
  const l4 = writeHeader(p, p.dstPtr, <u8>IPPROTO_TCP, TCP_HLEN);
  const tcp = Tcp.at(l4);
  tcpBegin(tcp, be32(seq), be32(ack), hasAck ? TCP_FLAG_RST : TCP_FLAG_RST | TCP_FLAG_ACK);
  tcp.setPortsBe(rotr<u32>(p.ports, 16));
  tcp.setChecksumBe(finish(pseudoSum(p, <u8>IPPROTO_TCP, TCP_HLEN) + sum(l4, TCP_HLEN)));
  return sendBack(p);
}
