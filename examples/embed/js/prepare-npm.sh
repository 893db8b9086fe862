#!/usr/bin/env bash
# prepare-npm.sh FOLDER OUTDIR: a runtime that npm has, at the version of FOLDER's package-lock.json.
set -euo pipefail
out=$(realpath -m "$2")
cd "$1"

cmp -s package-lock.json "$out/prepared" && exit
mkdir -p "$out"
cp package.json package-lock.json "$out/"
npm ci --prefix "$out" --ignore-scripts --no-audit --no-fund >&2
cp package-lock.json "$out/prepared"
