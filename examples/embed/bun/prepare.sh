#!/usr/bin/env bash
# prepare.sh OUTDIR: Bun itself, at the version of package-lock.json.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"

cmp -s package-lock.json "$out/prepared" && exit
mkdir -p "$out"
cp package.json package-lock.json "$out/"
npm ci --prefix "$out" --ignore-scripts --no-audit --no-fund >&2
cp package-lock.json "$out/prepared"
