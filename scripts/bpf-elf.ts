/**
 * Just enough ELF to take programs and their map relocations out of what clang made.
 *
 * Layout: System V ABI, ELF64 little-endian. Meaning of sections and relocations:
 * Documentation/bpf/llvm_reloc.rst. Anything that would need a linker (calls between functions,
 * global variables) is refused.
 */

/** One place where a map's descriptor belongs; `insn` counts 8-byte instructions. */
export interface BpfRelocation {
  readonly insn: number;
  readonly map: string;
}

/** One function with a section of its kind. */
export interface BpfProgram {
  readonly name: string;
  /** `enum bpf_prog_type` of linux/bpf.h. */
  readonly type: number;
  /** `enum bpf_attach_type` of linux/bpf.h. */
  readonly attachType: number;
  readonly insns: Uint8Array;
  readonly relocations: readonly BpfRelocation[];
}

/** Section name → what linux/bpf.h calls it: BPF_PROG_TYPE_*, BPF_TCX_* or BPF_XDP. */
const KINDS: Readonly<Record<string, { readonly type: number; readonly attachType: number }>> = {
  'tc/ingress': { type: 3, attachType: 46 },
  'tc/egress': { type: 3, attachType: 47 },
  xdp: { type: 6, attachType: 37 },
};

const ELF_MAGIC = 0x464c457f;
const CLASS_64_LSB = 0x0102;
const EM_BPF = 247;
const SHT_SYMTAB = 2;
const SHT_REL = 9;
const STT_FUNC = 2;
const R_BPF_64_64 = 1;
const SYMBOL_SIZE = 24;
const REL_SIZE = 16;
const INSN_SIZE = 8;

interface Section {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  /** For relocations: index of the section they apply to. */
  readonly info: number;
  readonly link: number;
}

interface Symbol {
  readonly name: string;
  readonly type: number;
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

function at<T>(items: readonly T[], index: number, what: string): T {
  const item = items[index];
  if (item === undefined) throw new Error(`bpf object: no ${what} ${index}`);
  return item;
}

function text(file: Buffer, from: number): string {
  return file.toString('latin1', from, file.indexOf(0, from));
}

function u64(file: Buffer, offset: number): number {
  return Number(file.readBigUInt64LE(offset));
}

function readSections(file: Buffer): Section[] {
  const table = u64(file, 40);
  const entrySize = file.readUInt16LE(58);
  const count = file.readUInt16LE(60);
  const raw = Array.from({ length: count }, (_, i) => {
    const base = table + i * entrySize;
    return {
      nameOffset: file.readUInt32LE(base),
      type: file.readUInt32LE(base + 4),
      offset: u64(file, base + 24),
      size: u64(file, base + 32),
      link: file.readUInt32LE(base + 40),
      info: file.readUInt32LE(base + 44),
    };
  });
  const names = at(raw, file.readUInt16LE(62), 'section').offset;
  return raw.map(({ nameOffset, ...rest }) => ({ name: text(file, names + nameOffset), ...rest }));
}

function readSymbols(file: Buffer, sections: readonly Section[]): Symbol[] {
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  if (table === undefined) throw new Error('bpf object: no symbol table');
  const names = at(sections, table.link, 'section').offset;
  return Array.from({ length: table.size / SYMBOL_SIZE }, (_, i) => {
    const base = table.offset + i * SYMBOL_SIZE;
    return {
      name: text(file, names + file.readUInt32LE(base)),
      type: file.readUInt8(base + 4) & 0xf,
      section: file.readUInt16LE(base + 6),
      value: u64(file, base + 8),
      size: u64(file, base + 16),
    };
  });
}

/** Relocations of one section, by byte offset. */
function readRelocations(
  file: Buffer,
  sections: readonly Section[],
  symbols: readonly Symbol[],
  target: number,
): { readonly offset: number; readonly map: string }[] {
  const table = sections.find(({ type, info }) => type === SHT_REL && info === target);
  if (table === undefined) return [];
  return Array.from({ length: table.size / REL_SIZE }, (_, i) => {
    const base = table.offset + i * REL_SIZE;
    const kind = file.readUInt32LE(base + 8);
    const symbol = at(symbols, file.readUInt32LE(base + 12), 'symbol');
    const where = sections[symbol.section]?.name;
    if (kind !== R_BPF_64_64 || where !== '.maps') {
      throw new Error(`bpf object: relocation to ${symbol.name || where} is not to a map`);
    }
    return { offset: u64(file, base), map: symbol.name };
  });
}

/**
 * Every program of an object file, ordered by name.
 *
 * @throws Error when the file is no BPF object or needs a linker
 */
export function readBpfObject(file: Buffer): BpfProgram[] {
  const ours = file.readUInt32LE(0) === ELF_MAGIC && file.readUInt16LE(4) === CLASS_64_LSB;
  if (!ours || file.readUInt16LE(18) !== EM_BPF) throw new Error('not a 64-bit BPF object file');
  const sections = readSections(file);
  const symbols = readSymbols(file, sections);
  const functions = symbols.filter(({ type }) => type === STT_FUNC);
  const programs = functions.map((symbol): BpfProgram => {
    const section = at(sections, symbol.section, 'section');
    const kind = KINDS[section.name];
    if (kind === undefined) {
      throw new Error(`bpf object: ${symbol.name} lies in ${section.name}, which is no hook`);
    }
    const start = section.offset + symbol.value;
    const end = symbol.value + symbol.size;
    const relocations = readRelocations(file, sections, symbols, symbol.section)
      .filter(({ offset }) => offset >= symbol.value && offset < end)
      .map(({ offset, map }) => ({ insn: (offset - symbol.value) / INSN_SIZE, map }))
      .sort((a, b) => a.insn - b.insn);
    const insns = file.subarray(start, start + symbol.size);
    return { name: symbol.name, ...kind, insns, relocations };
  });
  return programs.sort((a, b) => (a.name < b.name ? -1 : 1));
}
