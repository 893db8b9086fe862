/** The TCP state of a flow from its two tallies: assembly/flow/settled.ts, for readers outside. */
import {
  TALLY_KERNEL_PACKETS_OFF,
  TALLY_KERNEL_TCP_OFF,
  TALLY_STATE_OFF,
  TcpState,
} from '../../assembly/abi.js';

// RFC 9293 3.1
const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;

/** No segment belongs to such a connection any more. */
const CLOSED: readonly TcpState[] = [TcpState.LAST_ACK, TcpState.TIME_WAIT, TcpState.CLOSE];
const HALF_CLOSED: readonly TcpState[] = [TcpState.FIN_WAIT, TcpState.CLOSE_WAIT];

function openedState(words: DataView, original: number, reply: number): TcpState {
  const state: TcpState = words.getUint8(original + TALLY_STATE_OFF);
  const wasExecuted = (at: number): boolean =>
    words.getBigUint64(at + TALLY_KERNEL_PACKETS_OFF, true) !== 0n;
  if (state === TcpState.SYN_RECV && wasExecuted(original)) return TcpState.ESTABLISHED;
  if (state !== TcpState.SYN_SENT) return state;
  const isAccepted = (words.getUint8(reply + TALLY_KERNEL_TCP_OFF) & SYN) !== 0;
  if (isAccepted && !wasExecuted(original)) return TcpState.SYN_RECV;
  return wasExecuted(reply) ? TcpState.ESTABLISHED : state;
}

/** @param original, reply  where the tallies of the two directions are */
export function settledState(words: DataView, original: number, reply: number): TcpState {
  const there = words.getUint8(original + TALLY_KERNEL_TCP_OFF);
  const back = words.getUint8(reply + TALLY_KERNEL_TCP_OFF);
  if (((there | back) & RST) !== 0) return TcpState.CLOSE;
  const opened = openedState(words, original, reply);
  if (((there | back) & FIN) === 0 || CLOSED.includes(opened)) return opened;
  const isOver = (there & back & FIN) !== 0 || HALF_CLOSED.includes(opened);
  return isOver ? TcpState.TIME_WAIT : TcpState.CLOSE_WAIT;
}
