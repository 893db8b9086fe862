/**
 * The few eBPF instructions the tests need, assembled by hand (linux/bpf.h, struct bpf_insn).
 */
export const BPF_PROG_TYPE_XDP = 6;
export const BPF_MAP_TYPE_HASH = 1;
export const BPF_MAP_TYPE_ARRAY = 2;
export const BPF_MAP_TYPE_XSKMAP = 17;
export const BPF_XDP = 37;
export const BPF_F_MMAPABLE = 1 << 10;
export const XDP_DROP = 1;
export const XDP_PASS = 2;
export const XDP_FLAGS_DRV_MODE = 4;

const INSN_SIZE = 8;
const BPF_PSEUDO_MAP_FD = 1;
const BPF_FUNC_redirect_map = 51;

interface Insn {
  readonly code: number;
  readonly dst?: number;
  readonly src?: number;
  readonly off?: number;
  readonly imm?: number;
}

function assemble(...insns: readonly Insn[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(insns.length * INSN_SIZE));
  insns.forEach(({ code, dst = 0, src = 0, off = 0, imm = 0 }, i) => {
    bytes.setUint8(i * INSN_SIZE, code);
    bytes.setUint8(i * INSN_SIZE + 1, dst | (src << 4));
    bytes.setInt16(i * INSN_SIZE + 2, off, true);
    bytes.setInt32(i * INSN_SIZE + 4, imm, true);
  });
  return new Uint8Array(bytes.buffer);
}

/** `return verdict;` */
export function returning(verdict: number): Uint8Array {
  return assemble({ code: 0xb7, imm: verdict }, { code: 0x95 });
}

/** `return *(u64 *)0;`: the verifier must refuse it. */
export function faulty(): Uint8Array {
  return assemble({ code: 0xb7, dst: 1 }, { code: 0x79, dst: 0, src: 1 }, { code: 0x95 });
}

/** `return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);` */
export function redirectToXsk(mapFd: number): Uint8Array {
  return assemble(
    { code: 0x61, dst: 2, src: 1, off: 16 },
    { code: 0x18, dst: 1, src: BPF_PSEUDO_MAP_FD, imm: mapFd },
    { code: 0 },
    { code: 0xb7, dst: 3, imm: XDP_PASS },
    { code: 0x85, imm: BPF_FUNC_redirect_map },
    { code: 0x95 },
  );
}

/** A little-endian u32, the key of arrays and XSKMAPs. */
export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
