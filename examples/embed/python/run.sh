#!/usr/bin/env bash
# run.sh OUTDIR [--json] [--module FILE] [--vectors DIR]: all vectors, then the throughput loops.
set -euo pipefail

out=${1:?usage: run.sh OUTDIR [--json] [--module FILE] [--vectors DIR]}
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../../..

PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 exec "$out/venv/bin/python" -m sluice_embed \
  --module "$root/build/core/core.wasm" --vectors "$root/test/vectors" "$@"
