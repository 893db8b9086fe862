/**
 * A stand-in for the core: the four rings of a port record, driven from JavaScript.
 */
import {
  DIR_BASE_OFF,
  DIR_CAPACITY_OFF,
  DIR_ENTRY_SIZE,
  DIR_ROW_SIZE_OFF,
  DIRECTORY_BASE,
  PORT_COMP_OFF,
  PORT_FILL_OFF,
  PORT_RX_OFF,
  PORT_SIZE,
  PORT_TX_OFF,
  PORTS_BASE,
  RegionId,
  RING_CONSUMER_OFF,
  RING_DESC_OFF,
  RING_FLAGS_OFF,
  RING_PRODUCER_OFF,
  RING_SIZE_OFF,
  XDP_DESC_ADDR_OFF,
  XDP_DESC_LEN_OFF,
  XDP_DESC_SIZE,
} from '../../assembly/abi.js';

export const WASM_PAGE = 65536;
const FILL_ENTRY_SIZE = 8;

export interface Descriptor {
  /** Relative to the UMEM. */
  readonly addr: number;
  readonly len: number;
}

/** One linear memory with a UMEM noted in its directory. */
export class Memory {
  readonly view: Uint8Array;
  readonly words: DataView;

  constructor(
    readonly umemOff: number,
    readonly frameSize: number,
    readonly frames: number,
  ) {
    const bytes = umemOff + frameSize * frames;
    const pages = Math.ceil(bytes / WASM_PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.view = new Uint8Array(memory.buffer);
    this.words = new DataView(memory.buffer);
    const entry = DIRECTORY_BASE + RegionId.UMEM * DIR_ENTRY_SIZE;
    this.words.setUint32(entry + DIR_BASE_OFF, umemOff, true);
    this.words.setUint32(entry + DIR_ROW_SIZE_OFF, frameSize, true);
    this.words.setUint32(entry + DIR_CAPACITY_OFF, frames, true);
  }

  get umemLen(): number {
    return this.frameSize * this.frames;
  }

  /** A view of a frame or a part of one. */
  at({ addr, len }: Descriptor): Uint8Array {
    return this.view.subarray(this.umemOff + addr, this.umemOff + addr + len);
  }
}

/** The addresses of one ring, as the port record has them. */
class Ring {
  constructor(
    private readonly memory: Memory,
    private readonly recordOff: number,
    private readonly entrySize: number,
  ) {}

  private field(off: number): number {
    return this.memory.words.getUint32(this.recordOff + off, true);
  }
  private index(off: number): number {
    return this.memory.words.getUint32(this.field(off), true);
  }
  private advance(off: number): void {
    this.memory.words.setUint32(this.field(off), (this.index(off) + 1) >>> 0, true);
  }
  private entryOff(idx: number): number {
    return this.field(RING_DESC_OFF) + (idx & (this.size - 1)) * this.entrySize;
  }

  get size(): number {
    return this.field(RING_SIZE_OFF);
  }
  get flags(): number {
    return this.index(RING_FLAGS_OFF);
  }
  get filled(): number {
    return (this.index(RING_PRODUCER_OFF) - this.index(RING_CONSUMER_OFF)) >>> 0;
  }

  push({ addr, len }: Descriptor): void {
    const { words } = this.memory;
    const at = this.entryOff(this.index(RING_PRODUCER_OFF));
    words.setBigUint64(at + XDP_DESC_ADDR_OFF, BigInt(addr), true);
    if (this.entrySize === XDP_DESC_SIZE)
      words.setBigUint64(at + XDP_DESC_LEN_OFF, BigInt(len), true);
    this.advance(RING_PRODUCER_OFF);
  }

  pop(): Descriptor | undefined {
    if (this.filled === 0) return undefined;
    const { words } = this.memory;
    const at = this.entryOff(this.index(RING_CONSUMER_OFF));
    const addr = Number(words.getBigUint64(at + XDP_DESC_ADDR_OFF, true));
    const len = this.entrySize === XDP_DESC_SIZE ? words.getUint32(at + XDP_DESC_LEN_OFF, true) : 0;
    this.advance(RING_CONSUMER_OFF);
    return { addr, len };
  }
}

/** A port record and the four rings it points at. */
export class Port {
  readonly off: number;
  readonly rx: Ring;
  readonly tx: Ring;
  readonly fill: Ring;
  readonly comp: Ring;

  constructor(
    private readonly memory: Memory,
    idx: number,
  ) {
    this.off = PORTS_BASE + idx * PORT_SIZE;
    this.rx = new Ring(memory, this.off + PORT_RX_OFF, XDP_DESC_SIZE);
    this.tx = new Ring(memory, this.off + PORT_TX_OFF, XDP_DESC_SIZE);
    this.fill = new Ring(memory, this.off + PORT_FILL_OFF, FILL_ENTRY_SIZE);
    this.comp = new Ring(memory, this.off + PORT_COMP_OFF, FILL_ENTRY_SIZE);
  }

  /** Lay rings of ordinary memory out from `ringOff` on (what AF_XDP maps, for packetPump). */
  layPlainRings(ringOff: number, size: number): void {
    const { words } = this.memory;
    let at = ringOff;
    for (const [off, entry] of [
      [PORT_RX_OFF, XDP_DESC_SIZE],
      [PORT_TX_OFF, XDP_DESC_SIZE],
      [PORT_FILL_OFF, FILL_ENTRY_SIZE],
      [PORT_COMP_OFF, FILL_ENTRY_SIZE],
    ] as const) {
      words.setUint32(this.off + off + RING_PRODUCER_OFF, at, true);
      words.setUint32(this.off + off + RING_CONSUMER_OFF, at + 64, true);
      words.setUint32(this.off + off + RING_FLAGS_OFF, at + 128, true);
      words.setUint32(this.off + off + RING_DESC_OFF, at + 192, true);
      words.setUint32(this.off + off + RING_SIZE_OFF, size, true);
      at += 192 + size * entry;
    }
  }

  /** Lend frames `from` to `to` (exclusive) to the kernel. */
  lend(from: number, to: number): void {
    for (let i = from; i < to; i++) this.fill.push({ addr: i * this.memory.frameSize, len: 0 });
  }
}
