#!/usr/bin/env bash
# run.sh OUTDIR [--json] [--vectors FOLDER]
set -euo pipefail
out=$1
shift
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../..")

exec "$out/host" --vectors "$root/test/vectors" "$@"
