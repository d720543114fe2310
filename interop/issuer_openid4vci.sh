#!/bin/sh
# suite: interop-issuer-openid4vci
# needs: tool:node npm:@openid4vc/oauth2@0.4.6 npm:@openid4vc/openid4vci@0.4.6
# needs: npm:@sd-jwt/jwt-status-list@0.19.0 npm:@sd-jwt/sd-jwt-vc@0.19.0
# Runs the wallet of @openid4vc/openid4vci and the verifier of @sd-jwt/sd-jwt-vc, which nobody in
# this project wrote, against our issuer over HTTP. Starts the issuer and stops it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
        echo "FAILED: expected $tool (node 20 or later): the independent wallet runs on it" >&2
        exit 2
    fi
done
# The suite runner installs what `needs` names; alone, this script keeps a folder of its own.
modules=${WAYLEAVE_NPM:-${XDG_CACHE_HOME:-$HOME/.cache}/wayleave-interop/npm-openid4vci}
if [ ! -d "$modules/node_modules/@openid4vc/openid4vci" ] ||
    [ ! -d "$modules/node_modules/@sd-jwt/sd-jwt-vc" ]; then
    echo "installing @openid4vc and @sd-jwt into $modules: the independent wallet and verifier" >&2
    mkdir -p "$modules"
    cp "$here/npm-openid4vci/package.json" "$modules/package.json"
    (cd "$modules" && npm install --no-package-lock --no-audit --no-fund --ignore-scripts \
        --loglevel=error >&2)
fi
# Node looks for modules beside the script.
ln -s "$modules/node_modules" "$work/node_modules"
cp "$here/npm-openid4vci/wallet.mjs" "$work/wallet.mjs"

cd "$here/.."
cargo build --quiet -p wayleave-server --example issuer_for_interop
target=$(cargo metadata --format-version 1 --no-deps |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
mkdir "$work/issuer"
node "$work/wallet.mjs" "$target/debug/examples/issuer_for_interop" "$work/issuer"
