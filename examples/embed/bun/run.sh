#!/usr/bin/env bash
# run.sh OUTDIR [--json] [--module FILE] [--vectors FOLDER]
set -euo pipefail
out=$(realpath "$1")
shift
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
root=$(realpath "$here/../../..")

# The program is in the package of the platform; the package `bun` only looks for it.
exec "$out"/node_modules/@oven/bun-*/bin/bun "$here/main.ts" \
  --module "$root/build/core/core.wasm" --vectors "$root/test/vectors" "$@"
