/**
 * How long a silent flow is remembered. The host writes the figures that may be configured into
 * CONTROL; `defaultTimeouts` are Linux's (nf_conntrack_tcp_timeout_*, _udp_*, _icmp, _generic).
 */
import {
  CONTROL_BASE,
  CONTROL_TIMEOUTS_OFF,
  TIMEOUT_COUNT,
  TIMEOUT_UDP,
  TIMEOUT_UDP_STREAM,
} from '../abi';

export const ICMP_TIMEOUT_MS: u32 = 30_000;
export const GENERIC_TIMEOUT_MS: u32 = 600_000;

// Seconds, in TcpState order (NONE is never looked up), then UDP and answered UDP.
// prettier-ignore
const DEFAULTS = memory.data<u32>([
  // NO, SS,  SR, ES,     FW,  CW, LA, TW,  CL, S2,  UDP, stream
  10, 120, 60, 432000, 120, 60, 30, 120, 10, 120, 30, 120,
]);

function timeoutPtr(which: u32): usize {
  return CONTROL_BASE + CONTROL_TIMEOUTS_OFF + (which << 2);
}

/** Give every figure the host has left 0 its default. */
export function defaultTimeouts(): void {
  for (let i: u32 = 0; i < <u32>TIMEOUT_COUNT; i++) {
    const seconds = load<u32>(DEFAULTS + (i << 2));
    if (load<u32>(timeoutPtr(i)) == 0) store<u32>(timeoutPtr(i), seconds * 1000);
  }
}

/** Milliseconds of silence after which a TCP flow in this TcpState is forgotten. */
export function tcpTimeoutMs(state: u8): u32 {
  return load<u32>(timeoutPtr(state));
}

/** @param replied  a packet of the reply direction has been seen */
export function udpTimeoutMs(replied: bool): u32 {
  return load<u32>(timeoutPtr(replied ? TIMEOUT_UDP_STREAM : TIMEOUT_UDP));
}
