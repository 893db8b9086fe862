#!/usr/bin/env bash
# prepare.sh OUTDIR: a virtual environment with the pinned packages in OUTDIR.
set -euo pipefail

out=${1:?usage: prepare.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

cmp -s requirements.txt "$out/installed.txt" && exit 0
rm -rf "$out/venv"
python3 -m venv "$out/venv"
"$out/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt
cp requirements.txt "$out/installed.txt"
