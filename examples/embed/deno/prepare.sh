#!/usr/bin/env bash
# prepare.sh OUTDIR: Deno itself.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")

exec bash "$here/../js/prepare-npm.sh" "$here" "$1"
