/**
 * The SCTP states a box in the middle keeps, as data: the association diagram of RFC 9260 4 seen
 * from beside the path, with the state names and timeouts of Linux's connection tracking
 * (Documentation/networking/nf_conntrack-sysctl.rst, nf_conntrack_sctp_timeout_*).
 *
 * What only an end that knows the verification tag can judge is let pass and moves nothing; what
 * would mean that an earlier packet cannot have happened is invalid. An association that is under
 * way but unknown is taken as it comes, as with TCP.
 */
import { SctpState } from '../abi';
import {
  SCTP_ABORT,
  SCTP_COOKIE_ACK,
  SCTP_COOKIE_ECHO,
  SCTP_HEARTBEAT,
  SCTP_HEARTBEAT_ACK,
  SCTP_INIT,
  SCTP_INIT_ACK,
  SCTP_SHUTDOWN,
  SCTP_SHUTDOWN_ACK,
  SCTP_SHUTDOWN_COMPLETE,
  sctpHas,
} from '../wire/sctp';

/** Table entries beyond the states: keep the state; the packet has no business here. */
const IG: u8 = 0xfe;
export const SCTP_INVALID: u8 = 0xff;

const CL: u8 = <u8>SctpState.CLOSED;
const CW: u8 = <u8>SctpState.COOKIE_WAIT;
const CE: u8 = <u8>SctpState.COOKIE_ECHOED;
const ES: u8 = <u8>SctpState.ESTABLISHED;
const SS: u8 = <u8>SctpState.SHUTDOWN_SENT;
const SR: u8 = <u8>SctpState.SHUTDOWN_RECD;
const SA: u8 = <u8>SctpState.SHUTDOWN_ACK_SENT;
const HS: u8 = <u8>SctpState.HEARTBEAT_SENT;
const HA: u8 = <u8>SctpState.HEARTBEAT_ACKED;
const IV: u8 = SCTP_INVALID;

const STATES: u32 = 10;
const EVENTS: u32 = 11;

// The events, in order of precedence: an ABORT may stand behind other chunks (RFC 9260 3.3.7), and
// a SHUTDOWN behind a SACK. A heartbeat says less than what it travels with.
// prettier-ignore
const TYPES = memory.data<u8>([
  <u8>SCTP_ABORT, <u8>SCTP_INIT, <u8>SCTP_INIT_ACK, <u8>SCTP_COOKIE_ECHO, <u8>SCTP_COOKIE_ACK,
  <u8>SCTP_SHUTDOWN, <u8>SCTP_SHUTDOWN_ACK, <u8>SCTP_SHUTDOWN_COMPLETE, <u8>SCTP_HEARTBEAT,
  <u8>SCTP_HEARTBEAT_ACK,
]);
/** DATA, SACK, ERROR and everything else that travels in an association. */
const EVENT_OTHER: u32 = 10;

// Rows: the events; columns: the states in SctpState order.
// prettier-ignore
const TRANSITIONS = memory.data<u8>([
  // original direction
  //NO  CL  CW  CE  ES  SS  SR  SA  HS  HA
  IV, CL, CL, CL, CL, CL, CL, CL, CL, CL, // ABORT
  CW, CW, CW, IG, IG, CW, CW, CW, CW, IG, // INIT
  IV, IG, IG, IG, IG, IG, IG, IG, IV, IG, // INIT ACK, when both ends open
  CE, IG, CE, IG, IG, IG, IG, IG, CE, IG, // COOKIE ECHO
  IV, IG, IV, ES, IG, IG, IG, IG, IG, IG, // COOKIE ACK, when both ends open
  SS, IG, IG, IG, SS, IG, IG, IG, SS, SS, // SHUTDOWN
  SA, IG, IG, IG, SA, SA, SA, IG, SA, SA, // SHUTDOWN ACK
  IV, IG, IG, IG, IG, IG, IG, CL, IG, IG, // SHUTDOWN COMPLETE
  HS, IG, IG, IG, IG, IG, IG, IG, IG, IG, // HEARTBEAT
  IV, IG, IG, IG, IG, IG, IG, IG, IG, IG, // HEARTBEAT ACK
  ES, IG, IG, IG, IG, IG, IG, IG, ES, ES, // anything else
  // reply direction
  IV, CL, CL, CL, CL, CL, CL, CL, CL, CL,
  IV, IG, IG, IG, IG, IG, IG, IG, IG, IG,
  IV, IG, IG, IG, IG, IG, IG, IG, IV, IG,
  IV, IG, CE, IG, IG, IG, IG, IG, IG, IG,
  IV, IG, IV, ES, IG, IG, IG, IG, IG, IG,
  IV, IG, IG, IG, SR, IG, IG, IG, SR, SR,
  IV, IG, IG, IG, SA, SA, SA, IG, SA, SA,
  IV, IG, IG, IG, IG, IG, IG, CL, IG, IG,
  IV, IG, IG, IG, IG, IG, IG, IG, IG, IG,
  IV, IG, IG, IG, IG, IG, IG, IG, HA, IG,
  IV, IG, IG, IG, IG, IG, IG, IG, ES, ES,
]);

/** Seconds, in SctpState order (NONE is never looked up): Linux's. */
// prettier-ignore
const TIMEOUTS = memory.data<u32>([
  // NO, CL, CW, CE, ES, SS, SR, SA, HS, HA
  10, 10, 3, 3, 432000, 3, 3, 3, 30, 210,
]);

function eventOf(chunks: u32): u32 {
  for (let event: u32 = 0; event < EVENT_OTHER; event++) {
    if (sctpHas(chunks, load<u8>(TYPES + event))) return event;
  }
  return EVENT_OTHER;
}

/**
 * @param state   the flow's SctpState
 * @param chunks  as `sctpChunks`
 * @param reply   whether the packet travels in the reply direction
 * @returns       the next state (the same one where the table says "ignore"), or SCTP_INVALID
 */
export function nextSctpState(state: u8, chunks: u32, reply: bool): u8 {
  const row = eventOf(chunks) + (reply ? EVENTS : 0);
  const next = load<u8>(TRANSITIONS + row * STATES + state);
  return next == IG ? state : next;
}

/** The association ends or has ended: an INIT opens a new one. */
export function isSctpClosing(state: u8): bool {
  return state == CL || state == SS || state == SR || state == SA;
}

/** Milliseconds of silence after which an SCTP flow in this SctpState is forgotten. */
export function sctpTimeoutMs(state: u8): u32 {
  return load<u32>(TIMEOUTS + ((<u32>state) << 2)) * 1000;
}
