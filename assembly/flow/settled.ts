/**
 * The TCP state of a connection of which the lane sees what opens it, and the kernel the rest: it
 * is put together from the state the lane left, the flags of executed segments, and their number.
 */
import { IPPROTO_TCP, TALLY_F_REPLY, TcpState } from '../abi';
import { TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN } from '../wire/tcp';
import { partnerOf } from './flow-table';
import { Row, Tally, tallyOf } from './row';
import { isTcpClosed } from './tcp-state';

/** @returns TcpState, as it is now */
export function settledState(original: Tally, reply: Tally): u8 {
  const there = original.kernelTcp;
  const back = reply.kernelTcp;
  const either = there | back;
  if (either & TCP_FLAG_RST) return <u8>TcpState.CLOSE;
  const opened = openedState(original, reply);
  if (!(either & TCP_FLAG_FIN) || isTcpClosed(opened)) return opened;
  if (there & back & TCP_FLAG_FIN || isHalfClosed(opened)) return <u8>TcpState.TIME_WAIT;
  // What acknowledges the FIN has no flag: it has come, or will.
  return <u8>TcpState.CLOSE_WAIT;
}

/** Up to the end of the handshake: the ACK that completes it is one among the executed segments. */
function openedState(original: Tally, reply: Tally): u8 {
  const state = original.state;
  const answered = original.kernelPackets != 0;
  if (state == TcpState.SYN_RECV && answered) return <u8>TcpState.ESTABLISHED;
  if (state != TcpState.SYN_SENT) return state;
  if (reply.kernelTcp & TCP_FLAG_SYN && !answered) return <u8>TcpState.SYN_RECV;
  return reply.kernelPackets != 0 ? <u8>TcpState.ESTABLISHED : state;
}

/** One end has closed, as the lane saw it. */
function isHalfClosed(state: u8): bool {
  return state == TcpState.FIN_WAIT || state == TcpState.CLOSE_WAIT;
}

/**
 * Whether a reply row is of a TCP connection that only waits for its timeout, so that another one
 * may have its port, as in Linux (nf_nat_core.c, nf_nat_may_kill).
 */
export function isOver<F>(row: Row): bool {
  const tally = tallyOf<F>(row);
  if ((row.kind & 0xff) != IPPROTO_TCP || !(tally.flags & TALLY_F_REPLY)) return false;
  const partner = partnerOf<F>(row);
  return partner == 0 || isTcpClosed(settledState(tallyOf<F>(Row.at(partner)), tally));
}
