#!/usr/bin/env bash
# prepare.sh OUTDIR [MODULE]: the module translated to C by wasm2c, and compiled into the host.
#
# MODULE must have neither SIMD nor atomics, which wasm2c 1.0.32 does not translate.
set -euo pipefail
out=$(realpath -m "$1")
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../..")
module=$(realpath "${2:-$root/build/core/core-baseline.wasm}")
cd "$(dirname "${BASH_SOURCE[0]}")"

# Debian's wabt has what the translated module needs at run time as a source file.
runtime=/usr/share/wabt/wasm2c
if [[ -x $out/host && -z $(find . "$module" "$runtime" -newer "$out/host" -print -quit) ]]; then
  exit
fi
mkdir -p "$out"
wasm2c "$module" --module-name core --output "$out/core.c"
awk -f exports.awk "$out/core.h" >"$out/core-exports.h"
version="wabt $(wasm2c --version), gcc $(gcc -dumpfullversion), $(basename "$module")"
compile=(gcc -std=gnu11 -O3 -I. -I"$out" -I"$runtime" -c)
"${compile[@]}" -w "$out/core.c" -o "$out/core.o"
"${compile[@]}" -w "$runtime/wasm-rt-impl.c" -o "$out/wasm-rt-impl.o"
"${compile[@]}" -Wall -Wextra host.c -o "$out/host.o"
"${compile[@]}" -Wall -Wextra -DSLUICE_VERSION="\"$version\"" main.c -o "$out/main.o"
gcc -o "$out/host" "$out"/{main,host,core,wasm-rt-impl}.o -ljansson -lm
