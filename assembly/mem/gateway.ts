/** The constant address of the gateway side of every pod link, as it lies in memory. */
import {
  GATEWAY_MAC_0,
  GATEWAY_MAC_1,
  GATEWAY_MAC_2,
  GATEWAY_MAC_3,
  GATEWAY_MAC_4,
  GATEWAY_MAC_5,
} from '../abi';

/** First two bytes. */
export const GATEWAY_MAC_HEAD: u16 = <u16>(GATEWAY_MAC_0 | (GATEWAY_MAC_1 << 8));
/** Last four bytes. */
export const GATEWAY_MAC_TAIL: u32 =
  GATEWAY_MAC_2 | (GATEWAY_MAC_3 << 8) | (GATEWAY_MAC_4 << 16) | (GATEWAY_MAC_5 << 24);
