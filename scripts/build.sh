#!/usr/bin/env bash
# Build what is older than its sources.
#
#   build.sh [core|debug|bench|native|host]...     default: core native host
#
#   core    build/core/core.wasm    the module that runs
#   debug   build/core/debug.wasm   the same with checks and a source map
#   bench   build/core/bench.wasm   the module with its loops, for bench/
#   native  build/native/sluice.node, build/native/sluice-cni
#   host    build/host/             src/ and examples/ as JavaScript
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
  current host build/host/src/cli.js \
    assembly/abi.ts assembly/abi-dns.ts assembly/abi-cache.ts src examples \
    tsconfig.json tsconfig.build.json && return
  begin host "tsc src examples"
  node_modules/.bin/tsc -p tsconfig.build.json
  finish host
}

build() {
  case $1 in
    core) compile_core core assembly/index.ts core ;;
    debug) compile_core debug assembly/index.ts debug ;;
    bench) compile_core bench assembly/bench.ts bench ;;
    native) bash scripts/build-native.sh ;;
    host) compile_host ;;
    *)
      echo "build: unknown target '$1': expected core, debug, bench, native or host" >&2
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
exit "$failed"
