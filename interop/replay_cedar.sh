#!/bin/sh
# suite: interop-replay-cedar
# needs: tool:node npm:@cedar-policy/cedar-wasm@4.13.0
# Decisions of all shipped packs, decided again by @cedar-policy/cedar-wasm, the engine that Cedar's
# authors publish: the same answers and policies. Falsified answers differ, every one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$here/npm.sh"

modules=$(npm_modules npm-cedar @cedar-policy/cedar-wasm@4.13.0)
ln -s "$modules/node_modules" "$work/node_modules"
cp "$here/npm-cedar/replay.mjs" "$work/replay.mjs"

cd "$here/.."
cargo run --quiet -p wayleave-policy --example export_decisions -- "$work/decisions" >&2
node "$work/replay.mjs" "$work/decisions"
echo "ok: every decision replays the same"
node "$work/replay.mjs" "$work/decisions" --canary
echo "ok: every falsified decision is told from the real one"
