#!/bin/sh
# suite: interop-cedar
# needs: tool:node npm:@cedar-policy/cedar-wasm@4.13.0
# Decides every exported decision of both packs again with the engine that Cedar's authors publish
# for npm; then falsifies each answer, and each must differ.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
        echo "FAILED: expected $tool (node 20 or later): the independent engine runs on it" >&2
        exit 2
    fi
done
# The suite runner installs what `needs` names; alone, this script keeps a folder of its own.
modules=${WAYLEAVE_NPM:-${XDG_CACHE_HOME:-$HOME/.cache}/wayleave-interop/npm-cedar}
if [ ! -d "$modules/node_modules/@cedar-policy/cedar-wasm" ]; then
    echo "installing @cedar-policy/cedar-wasm into $modules: the independent engine" >&2
    mkdir -p "$modules"
    cp "$here/npm-cedar/package.json" "$modules/package.json"
    (cd "$modules" && npm install --no-package-lock --no-audit --no-fund --ignore-scripts \
        --loglevel=error >&2)
fi
# Node looks for modules beside the script.
ln -s "$modules/node_modules" "$work/node_modules"
cp "$here/npm-cedar/replay.mjs" "$work/replay.mjs"

cd "$here/.."
cargo run --quiet -p wayleave-policy --example export_decisions -- "$work/decisions"
node "$work/replay.mjs" "$work/decisions"
echo "ok: every decision is the same again with @cedar-policy/cedar-wasm"
node "$work/replay.mjs" "$work/decisions" --canary
echo "ok: every falsified answer differs"
