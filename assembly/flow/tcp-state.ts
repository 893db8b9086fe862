/**
 * The TCP states a box in the middle keeps, as data: Linux's transition table
 * (net/netfilter/nf_conntrack_proto_tcp.c), so that users of the kernel's connection tracking
 * see the life they know.
 */
import { TcpState } from '../abi';
import { TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN } from '../wire/tcp';

/** Table entries beyond the states: keep the state; the segment has no business here. */
const IG: u8 = 0xfe;
export const TCP_INVALID: u8 = 0xff;

const SS: u8 = <u8>TcpState.SYN_SENT;
const SR: u8 = <u8>TcpState.SYN_RECV;
const ES: u8 = <u8>TcpState.ESTABLISHED;
const FW: u8 = <u8>TcpState.FIN_WAIT;
const CW: u8 = <u8>TcpState.CLOSE_WAIT;
const LA: u8 = <u8>TcpState.LAST_ACK;
const TW: u8 = <u8>TcpState.TIME_WAIT;
const CL: u8 = <u8>TcpState.CLOSE;
const S2: u8 = <u8>TcpState.SYN_SENT2;
const IV: u8 = TCP_INVALID;

const STATES: u32 = 10;
const EVENTS: u32 = 6;

// Rows: SYN, SYN+ACK, FIN, ACK, RST, no flags; columns: the states in TcpState order.
// prettier-ignore
const TRANSITIONS = memory.data<u8>([
  // original direction
  //NO  SS  SR  ES  FW  CW  LA  TW  CL  S2
  SS, SS, IG, IG, IG, IG, IG, SS, SS, S2,
  IV, IV, IG, IG, IG, IG, IG, IG, IG, SR,
  IV, IV, FW, FW, LA, LA, LA, TW, CL, IV,
  ES, IV, ES, ES, CW, CW, TW, TW, CL, IV,
  IV, CL, CL, CL, CL, CL, CL, CL, CL, CL,
  IV, IV, IV, IV, IV, IV, IV, IV, IV, IV,
  // reply direction
  IV, S2, IV, IV, IV, IV, IV, IV, IV, S2,
  IV, SR, IG, IG, IG, IG, IG, IG, IG, SR,
  IV, IV, FW, FW, LA, LA, LA, TW, CL, IV,
  IV, IG, SR, ES, CW, CW, TW, TW, CL, IG,
  IV, CL, CL, CL, CL, CL, CL, CL, CL, CL,
  IV, IV, IV, IV, IV, IV, IV, IV, IV, IV,
]);

/** Which row of the table a segment selects; RST beats SYN beats FIN beats ACK. */
function eventOf(flags: u32): u32 {
  if (flags & TCP_FLAG_RST) return 4;
  if (flags & TCP_FLAG_SYN) return flags & TCP_FLAG_ACK ? 1 : 0;
  if (flags & TCP_FLAG_FIN) return 2;
  return flags & TCP_FLAG_ACK ? 3 : 5;
}

/**
 * @param state  the flow's TcpState
 * @param reply  whether the segment travels in the reply direction
 * @returns      the next state (the same one where the table says "ignore"), or TCP_INVALID
 */
export function nextTcpState(state: u8, flags: u32, reply: bool): u8 {
  const row = eventOf(flags) + (reply ? EVENTS : 0);
  const next = load<u8>(TRANSITIONS + row * STATES + state);
  return next == IG ? state : next;
}

/**
 * Both ends are done, or were reset: a new SYN opens a new connection. LAST_ACK counts: the ACK
 * that ends it has no flag that climbs, so the kernel executes it and this state stays.
 */
export function isTcpClosed(state: u8): bool {
  return state == TcpState.LAST_ACK || state == TcpState.TIME_WAIT || state == TcpState.CLOSE;
}
