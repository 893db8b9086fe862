#!/usr/bin/env bash
# prepare.sh OUTDIR: compile into OUTDIR/classes, the pinned dependencies into OUTDIR/lib.
set -euo pipefail

out=${1:?usage: prepare.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

if [[ -f $out/stamp && -z $(find pom.xml src -newer "$out/stamp" -print -quit) ]]; then exit 0; fi
begun=$(mktemp "$out/begun.XXXXXX")
log=$(mvn --quiet --batch-mode -Dout="$out" compile 2>&1) || {
  echo "$log" >&2
  exit 1
}
mv "$begun" "$out/stamp"
