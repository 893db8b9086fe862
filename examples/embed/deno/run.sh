#!/usr/bin/env bash
# run.sh OUTDIR [--json] [--module FILE] [--vectors FOLDER]
set -euo pipefail
out=$(realpath "$1")
shift
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
root=$(realpath "$here/../../..")

# x86-64 with glibc is the only platform named in package.json: `deno` is a package that looks for this one.
export DENO_DIR=$out/cache DENO_NO_UPDATE_CHECK=1
exec "$out"/node_modules/@deno/linux-x64-glibc/deno run --no-config --no-lock --allow-read "$here/main.ts" \
  --module "$root/build/core/core.wasm" --vectors "$root/test/vectors" "$@"
