#!/bin/sh
# suite: interop-sd-jwt
# needs: tool:node npm:@sd-jwt/jwt-status-list@0.19.0 npm:@sd-jwt/sd-jwt-vc@0.19.0
# Verifies a presentation of ours with @sd-jwt/sd-jwt-vc, and sees near misses refused.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
        echo "FAILED: expected $tool (node 20 or later): the independent verifier runs on it" >&2
        exit 2
    fi
done
# The suite runner installs what `needs` names; alone, this script keeps a folder of its own.
modules=${WAYLEAVE_NPM:-${XDG_CACHE_HOME:-$HOME/.cache}/wayleave-interop/npm-sd-jwt}
if [ ! -d "$modules/node_modules/@sd-jwt/sd-jwt-vc" ] ||
    [ ! -d "$modules/node_modules/@sd-jwt/jwt-status-list" ]; then
    echo "installing @sd-jwt into $modules: the independent verifier" >&2
    mkdir -p "$modules"
    cp "$here/npm/package.json" "$modules/package.json"
    (cd "$modules" && npm install --no-package-lock --no-audit --no-fund --ignore-scripts \
        --loglevel=error >&2)
fi
# Node looks for modules beside the script.
ln -s "$modules/node_modules" "$work/node_modules"
cp "$here/npm/verify_presentation.mjs" "$work/verify_presentation.mjs"

cd "$here/.."
cargo run --quiet -p wayleave-credential --example sample_presentation -- "$work/sample"
node "$work/verify_presentation.mjs" "$work/sample"
echo "ok: a presentation of ours verifies with @sd-jwt/sd-jwt-vc, and near misses do not"
