#!/usr/bin/env bash
# prepare.sh OUTDIR: the host as one file of JavaScript.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

node_modules/.bin/esbuild examples/embed/node/main.ts --bundle --platform=node --format=esm \
  --log-level=warning --outfile="$out/main.js"
