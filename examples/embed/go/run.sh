#!/usr/bin/env bash
# run.sh OUTDIR [--json] [--module FILE] [--vectors DIR]: all vectors, then the throughput loops.
set -euo pipefail

out=${1:?usage: run.sh OUTDIR [--json] [--module FILE] [--vectors DIR]}
shift
root=$(dirname "${BASH_SOURCE[0]}")/../../..

exec "$out/host" --module "$root/build/core/core.wasm" --vectors "$root/test/vectors" "$@"
