#!/usr/bin/env bash
# prepare.sh OUTDIR: build OUTDIR/host. go.sum pins what is fetched; go itself knows what is current.
set -euo pipefail

out=${1:?usage: prepare.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

GOFLAGS=-mod=readonly go build -o "$out/host" .
