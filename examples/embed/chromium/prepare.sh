#!/usr/bin/env bash
# prepare.sh OUTDIR: the page with its script, and the program that opens it.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

here=examples/embed/chromium
esbuild=(node_modules/.bin/esbuild --bundle --format=esm --log-level=warning)
"${esbuild[@]}" "$here/page.ts" --outfile="$out/page.js"
"${esbuild[@]}" "$here/main.ts" --platform=node --external:playwright-core --outfile="$out/main.js"
cp "$here/index.html" "$out/"
