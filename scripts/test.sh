#!/usr/bin/env bash
# Run the tests once and print, as the last line, `N passed, N failed` (and `, N skipped`).
#
#   test.sh [FILE...] [ava options]     default: every test
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CI=${CI:-true}
exec node --import=tsx scripts/run-tests.ts "$@"
