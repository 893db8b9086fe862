/**
 * Where the addon finds and leaves things in linear memory: assembly/abi.ts as lists of numbers,
 * so that native/ needs to know nothing of it. Only `native.ts` uses this.
 */
import {
  DIR_BASE_OFF,
  DIR_CAPACITY_OFF,
  DIR_ENTRY_SIZE,
  DIR_ROW_SIZE_OFF,
  DIRECTORY_BASE,
  FRAME_HEADROOM,
  PORT_COMP_OFF,
  PORT_FILL_OFF,
  PORT_RX_OFF,
  PORT_SIZE,
  PORT_TX_OFF,
  RegionId,
  RING_CONSUMER_OFF,
  RING_DESC_OFF,
  RING_FLAGS_OFF,
  RING_PRODUCER_OFF,
  RING_SIZE_OFF,
  VNET_HLEN,
} from '../assembly/abi.js';
import type { RingWords } from './native-addon.js';

/** `enum class ZeroCopy` of native/xsk.cc. */
export const ZERO_COPY = { auto: 0, never: 1, require: 2 } as const;

const RING_OFFS = [PORT_RX_OFF, PORT_TX_OFF, PORT_FILL_OFF, PORT_COMP_OFF];
const RING_FIELDS = [
  RING_PRODUCER_OFF,
  RING_CONSUMER_OFF,
  RING_FLAGS_OFF,
  RING_DESC_OFF,
  RING_SIZE_OFF,
];

const UMEM_ENTRY = DIRECTORY_BASE + RegionId.UMEM * DIR_ENTRY_SIZE;

/** `struct Layout` of native/packet.cc, word for word. */
export const PACKET_LAYOUT = Uint32Array.of(
  ...RING_OFFS,
  RING_PRODUCER_OFF,
  RING_CONSUMER_OFF,
  RING_DESC_OFF,
  RING_SIZE_OFF,
  UMEM_ENTRY + DIR_BASE_OFF,
  UMEM_ENTRY + DIR_ROW_SIZE_OFF,
  UMEM_ENTRY + DIR_CAPACITY_OFF,
  FRAME_HEADROOM,
  VNET_HLEN,
);

/** Note in a port record where the four rings of a socket lie. */
export function writeRings(view: Uint8Array, portOff: number, rings: RingWords): void {
  const words = new DataView(view.buffer, view.byteOffset + portOff, PORT_SIZE);
  RING_OFFS.forEach((ringOff, ring) => {
    RING_FIELDS.forEach((fieldOff, field) => {
      const word = rings[ring * RING_FIELDS.length + field] ?? 0;
      words.setUint32(ringOff + fieldOff, word, true);
    });
  });
}
