#!/usr/bin/env bash
# Build what is older than its sources.
#
#   build.sh [core|baseline|debug|bench|embed|native|host]...     default: core native host
#
#   core    build/core/core.wasm    the module that runs
#   baseline  build/core/core-baseline.wasm   the same without SIMD and atomics
#   debug   build/core/debug.wasm   the same with checks and a source map
#   bench   build/core/bench.wasm   the module with its loops, for bench/
#   embed   build/embed/core.js, vectors.js   what any JavaScript runtime embeds, with its types
#   native  build/native/sluice.node, build/native/sluice-cni
#   host    build/host/             src/ and examples/ as JavaScript; build/host/bin: `sluice dns` in
#                                   one file a thread, with its compiled code once all the rest is there
#
# Nothing is downloaded. A target is built beside its place and moved there when it is whole.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
targets=("$@")
((${#targets[@]} > 0)) || targets=(core native host)
mkdir -p build/stamps build/core
exec 9>build/.lock
flock 9

# current TARGET OUTPUT SOURCE...: nothing among the sources is newer than the last build.
current() {
  local stamp=build/stamps/$1 output=$2
  shift 2
  [[ -f $stamp && -e $output ]] || return 1
  [[ -z $(find "$@" scripts/build.sh package-lock.json -newer "$stamp" -print -quit) ]]
}

# A stamp bears the time before the build began: what changed meanwhile is newer.
begin() {
  echo "  $2"
  touch "build/stamps/$1.begun"
}
finish() { mv "build/stamps/$1.begun" "build/stamps/$1"; }

# compile_core TARGET ENTRY NAME
compile_core() {
  local target=$1 entry=$2 name=$3 part=build/core/.$1
  current "$target" "build/core/$name.wasm" assembly asconfig.json && return
  begin "$target" "asc $entry ($target)"
  rm -rf "$part"
  mkdir -p "$part"
  local asc_target=$target
  [[ $target == core ]] && asc_target=release
  node_modules/.bin/asc "$entry" --target "$asc_target" \
    --outFile "$part/$name.wasm" --textFile "$part/$name.wat"
  mv "$part"/* build/core/
  rmdir "$part"
  finish "$target"
}

compile_host() {
  current host build/host/bin/sluice.cjs \
    assembly/abi.ts assembly/abi-dns.ts assembly/abi-cache.ts src examples \
    tsconfig.json tsconfig.build.json scripts/bundle.ts && return
  begin host "tsc src examples, esbuild src/start"
  node_modules/.bin/tsc -p tsconfig.build.json
  node_modules/.bin/tsx scripts/bundle.ts
  finish host
}

compile_embed() {
  current embed build/embed/core.js assembly/abi.ts assembly/abi-dns.ts assembly/abi-cache.ts src \
    scripts/build-embed.ts scripts/one-language.ts tsconfig.json tsconfig.embed.json && return
  begin embed "esbuild src/embed"
  node_modules/.bin/tsx scripts/build-embed.ts
  node_modules/.bin/tsc -p tsconfig.embed.json
  finish embed
}

# Without it a DNS server starts all the same, only later.
compile_code() {
  local needed=(build/host/bin/dns.body.cjs build/host/bin/dns-worker.body.cjs
    build/core/core.wasm build/native/sluice.node)
  for file in "${needed[@]}"; do [[ -e $file ]] || return 0; done
  current code build/host/bin/sluice.cjs "${needed[@]}" scripts/code-cache.ts && return
  begin code "compiled code of build/host/bin"
  if node_modules/.bin/tsx scripts/code-cache.ts; then finish code; else
    echo "build: no compiled code: sluice dns will take longer to start" >&2
  fi
}

build() {
  case $1 in
    core) compile_core core assembly/index.ts core ;;
    baseline) compile_core baseline assembly/index.ts core-baseline ;;
    debug) compile_core debug assembly/index.ts debug ;;
    bench) compile_core bench assembly/bench.ts bench ;;
    embed) compile_embed ;;
    native) bash scripts/build-native.sh ;;
    host) compile_host ;;
    *)
      echo "build: unknown target '$1': expected core, baseline, debug, bench, embed, native or host" >&2
      return 1
      ;;
  esac
}

# Side by side; every failure is reported before the exit code is.
pids=()
for target in "${targets[@]}"; do
  (build "$target") 9>&- &
  pids+=($!)
done
failed=0
for i in "${!pids[@]}"; do
  if ! wait "${pids[$i]}"; then
    echo "build: ${targets[$i]} failed" >&2
    failed=1
  fi
done
((failed == 0)) && compile_code
exit "$failed"
