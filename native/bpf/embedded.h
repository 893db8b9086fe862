/**
 * The shape of compiled BPF programs as they lie in the addon.
 *
 * Every `generated/<object>.h` defines, per program, `static const uint8_t
 * <object>_<program>_insns[]`, its relocations, and one table
 * `static const EmbeddedProgram <object>_programs[]`. `generated/all.h` includes them all and
 * defines `static const EmbeddedObject kEmbeddedObjects[]`. The addon hands the tables out as
 * they are; replacing map names by file descriptors happens in TypeScript.
 */
#pragma once

#include <cstdint>

/** One place in the bytecode where a map's file descriptor has to be written. */
struct EmbeddedReloc {
  /** Index of the 8-byte instruction (the first half of a 16-byte `lddw`). */
  uint32_t insn;
  /** Name of the map as the source spells it. */
  const char* map;
};

/** One program of an object file. */
struct EmbeddedProgram {
  const char* object;
  const char* name;
  /** `enum bpf_prog_type` of linux/bpf.h. */
  uint32_t type;
  /** `enum bpf_attach_type` of linux/bpf.h. */
  uint32_t attach_type;
  /** Instructions in the kernel's encoding, 8 bytes each. */
  const uint8_t* insns;
  /** Bytes, a multiple of 8. */
  uint32_t insns_len;
  const EmbeddedReloc* relocs;
  uint32_t reloc_count;
};

/** One source file, `native/bpf/<name>.bpf.c`. */
struct EmbeddedObject {
  const char* name;
  const EmbeddedProgram* programs;
  uint32_t program_count;
};
