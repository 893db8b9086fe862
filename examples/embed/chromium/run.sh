#!/usr/bin/env bash
# run.sh OUTDIR [--json] [--module FILE] [--vectors FOLDER]
set -euo pipefail
out=$1
shift
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../..")

exec node "$out/main.js" \
  --module "$root/build/core/core.wasm" --vectors "$root/test/vectors" "$@"
