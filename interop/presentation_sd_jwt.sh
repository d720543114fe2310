#!/bin/sh
# suite: interop-presentation-sd-jwt
# needs: tool:node npm:@sd-jwt/sd-jwt-vc@0.19.0 npm:@sd-jwt/jwt-status-list@0.19.0
# A presentation of ours, whose mandate key signs payment terms, verified with @sd-jwt/sd-jwt-vc, which
# nobody in this project wrote; near misses are refused.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$here/npm.sh"

modules=$(npm_modules npm-sd-jwt @sd-jwt/sd-jwt-vc@0.19.0 @sd-jwt/jwt-status-list@0.19.0)
# Node looks for modules beside the script.
ln -s "$modules/node_modules" "$work/node_modules"
cp "$here/npm/verify_presentation.mjs" "$work/verify_presentation.mjs"

cd "$here/.."
cargo run --quiet -p wayleave-credential --example sample_presentation -- "$work/sample" >&2
node "$work/verify_presentation.mjs" "$work/sample"
