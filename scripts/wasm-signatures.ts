/**
 * Signatures of the functions that a WebAssembly module exports, from its own sections (WebAssembly
 * Core Specification 2.0, 5.5): the JavaScript interface names exports and not their types.
 */

export interface Signature {
  readonly params: readonly string[];
  readonly results: readonly string[];
}

/** Value types (5.3.1) that may occur here. */
const VALUE_TYPES: Readonly<Record<number, string>> = {
  0x7f: 'i32',
  0x7e: 'i64',
  0x7d: 'f32',
  0x7c: 'f64',
};
const SECTION = { TYPE: 1, IMPORT: 2, FUNCTION: 3, EXPORT: 7 } as const;
const EXPORT_FUNCTION = 0;
const HEADER_SIZE = 8;

function createReader(bytes: Uint8Array) {
  let at = 0;
  const u8 = (): number => bytes[at++] ?? 0;
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Uint8Array => bytes.subarray(at, (at += length));
  return { u8, leb, take, isOver: () => at >= bytes.length };
}
type Reader = ReturnType<typeof createReader>;

const vector = <T>(reader: Reader, item: () => T): T[] =>
  Array.from({ length: reader.leb() }, item);

function sectionsOf(bytes: Uint8Array): Map<number, Uint8Array> {
  const reader = createReader(bytes.subarray(HEADER_SIZE));
  const sections = new Map<number, Uint8Array>();
  while (!reader.isOver()) {
    const id = reader.u8();
    sections.set(id, reader.take(reader.leb()));
  }
  return sections;
}

/** @param wasm  a module that imports no function */
export function wasmSignatures(wasm: Uint8Array): Map<string, Signature> {
  const sections = sectionsOf(wasm);
  const open = (id: number): Reader => createReader(sections.get(id) ?? Uint8Array.of(0));
  const types = open(SECTION.TYPE);
  const valueType = (): string => VALUE_TYPES[types.u8()] ?? 'other';
  const signatures = vector(types, (): Signature => {
    types.u8();
    return { params: vector(types, valueType), results: vector(types, valueType) };
  });
  const functions = open(SECTION.FUNCTION);
  const typeOf = vector(functions, functions.leb);
  const exports = open(SECTION.EXPORT);
  const found = vector(exports, () => {
    const name = new TextDecoder().decode(exports.take(exports.leb()));
    const kind = exports.u8();
    return { name, kind, signature: signatures[typeOf[exports.leb()] ?? -1] };
  });
  return new Map(
    found.flatMap(({ name, kind, signature }) =>
      kind === EXPORT_FUNCTION && signature ? [[name, signature] as const] : [],
    ),
  );
}
