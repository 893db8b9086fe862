#!/usr/bin/env bash
# prepare.sh OUTDIR: build OUTDIR/host. Cargo.lock pins what is fetched; cargo itself knows what is
# current. SLUICE_CARGO_PROFILE=release takes several times as long and builds what one would ship.
set -euo pipefail

out=${1:?usage: prepare.sh OUTDIR}
profile=${SLUICE_CARGO_PROFILE:-quick}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

cargo build --quiet --locked --profile "$profile" --target-dir "$out"
ln -sf "$profile/sluice-embed" "$out/host"
