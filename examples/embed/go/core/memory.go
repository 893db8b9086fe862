package core

import "encoding/binary"

// memoryModule is a WebAssembly module that has a memory of the given pages, as
// minimum and maximum, and exports it as "memory"; nothing else.
// WebAssembly Core Specification 2.0, 5.5 (binary format of modules).
func memoryModule(pages uint32) []byte {
	limits := []byte{0x01} // a minimum and a maximum follow
	limits = binary.AppendUvarint(limits, uint64(pages))
	limits = binary.AppendUvarint(limits, uint64(pages))

	wasm := []byte("\x00asm\x01\x00\x00\x00")
	wasm = appendSection(wasm, 5, append([]byte{1}, limits...)) // one memory
	return appendSection(wasm, 7, []byte("\x01\x06memory\x02\x00"))
}

func appendSection(wasm []byte, id byte, content []byte) []byte {
	wasm = append(wasm, id)
	wasm = binary.AppendUvarint(wasm, uint64(len(content)))
	return append(wasm, content...)
}
