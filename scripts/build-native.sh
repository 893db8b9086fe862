#!/usr/bin/env bash
# Compile native/*.cc into build/native/sluice.node with the system's C++ compiler, and
# native/cni/ into build/native/sluice-cni with its C compiler: static where there is a
# static libc, because it is copied to the host and started for every pod.
#
# Headers come from node_modules (node-addon-api, node-api-headers): nothing is downloaded and
# node-gyp is not needed. An object is rebuilt when its source, a header it includes or this
# script is newer.
#
#   CXX       compiler (default g++)
#   CC        compiler of the plugin (default gcc)
#   CXXFLAGS  appended to the flags below
#   JOBS      compilers at a time (default: number of processors)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
out=build/native
obj=$out/obj
cxx=${CXX:-g++}
cc=${CC:-gcc}
jobs=${JOBS:-$(nproc)}
read -ra extra <<<"${CXXFLAGS:-}"
# A thread that is ended in the middle of a call cannot be thrown at any more: that is no failure.
flags=(
  -O2 -std=c++20 -fPIC -fvisibility=hidden -fno-exceptions -fno-rtti -Wall -Wextra -pthread
  -DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS -DNAPI_VERSION=8
  -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
  -isystem node_modules/node-addon-api -isystem node_modules/node-api-headers/include
  -Inative "${extra[@]}"
)

for header in node_modules/node-addon-api/napi.h node_modules/node-api-headers/include/node_api.h; do
  if [[ ! -f $header ]]; then
    echo "build-native: $header is missing; run 'npm install' first" >&2
    exit 1
  fi
done
if ! command -v "$cxx" >/dev/null; then
  echo "build-native: no C++ compiler: '$cxx' not found (set CXX)" >&2
  exit 1
fi
if ! command -v "$cc" >/dev/null; then
  echo "build-native: no C compiler: '$cc' not found (set CC)" >&2
  exit 1
fi

mkdir -p "$obj"
exec 9>"$out/.lock"
flock 9

# stale OBJECT SOURCE: true when OBJECT is older than anything it was made from.
stale() {
  local object=$1 source=$2 deps=${1%.o}.d dep
  [[ -f $object && -f $deps ]] || return 0
  [[ scripts/build-native.sh -nt $object ]] && return 0
  # A header that did not exist at the last build is in no dependency list.
  if [[ $source == native/embedded.cc ]]; then
    for dep in native/bpf/generated/*.h; do
      [[ $dep -nt $object ]] && return 0
    done
  fi
  for dep in $(sed -e 's/^[^:]*://' -e 's/\\$//' "$deps"); do
    [[ ! -e $dep || $dep -nt $object ]] && return 0
  done
  return 1
}

# compile OBJECT SOURCE: whole or not at all.
compile() {
  "$cxx" "${flags[@]}" -MMD -MT "$1" -MF "$1.d.part" -c "$2" -o "$1.part" 9>&-
  mv "$1.d.part" "${1%.o}.d"
  mv "$1.part" "$1"
}

objects=()
pids=()
for source in native/*.cc; do
  object=$obj/$(basename "$source" .cc).o
  objects+=("$object")
  stale "$object" "$source" || continue
  echo "  cxx $source"
  compile "$object" "$source" &
  pids+=($!)
  if ((${#pids[@]} >= jobs)); then
    wait "${pids[0]}"
    pids=("${pids[@]:1}")
  fi
done
for pid in "${pids[@]}"; do
  wait "$pid"
done

target=$out/sluice.node
relink=false
[[ -f $target ]] || relink=true
for object in "${objects[@]}"; do
  [[ $object -nt $target ]] && relink=true
done
if $relink; then
  echo "  link $target"
  "$cxx" -shared -pthread -o "$target.part" "${objects[@]}"
  mv "$target.part" "$target"
fi
[[ -f $root/$target ]]

plugin=$out/sluice-cni
sources=(native/cni/*.c)
newer=$(find native/cni scripts/build-native.sh -newer "$plugin" 2>/dev/null || echo all)
if [[ -n $newer ]]; then
  echo "  cc ${sources[*]}"
  plugin_flags=(-O2 -std=gnu11 -Wall -Wextra -Werror -s)
  # No static libc, or a real mistake: the second attempt tells.
  "$cc" "${plugin_flags[@]}" -static -o "$plugin.part" "${sources[@]}" 2>/dev/null ||
    "$cc" "${plugin_flags[@]}" -o "$plugin.part" "${sources[@]}"
  mv "$plugin.part" "$plugin"
fi
