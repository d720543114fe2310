#!/bin/sh
# suite: interop-demo-files
# needs: wayleave tool:node tool:python3 npm:@cedar-policy/cedar-wasm@4.13.0
# needs: apt:golang-1.19-go apt:golang-golang-x-mod-dev
# The files of a real run, not samples: tells the demo once, then checks the receipt of its first payment
# and of a refusal with proofbundle and Go's sumdb, and the payer's bank's decision with cedar-wasm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$here/npm.sh"

cd "$here/.."
if [ -z "${WAYLEAVE_BIN:-}" ]; then
    cargo build --quiet -p wayleave --bin wayleave
    target=$(cargo metadata --format-version 1 --no-deps |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    WAYLEAVE_BIN=$target/debug/wayleave
fi
demo=$work/demo
"$WAYLEAVE_BIN" demo --once --json --dir "$demo" --port 17000 >"$work/story" || {
    cat "$work/story" >&2
    exit 1
}
trust=$demo/wallets/brightwater/trust.policy
refusal=$(sed -n 's/.*"event":"refused".*"file":"\([^"]*\)".*/\1/p' "$work/story" | head -1)
if [ -z "$refusal" ]; then
    echo "FAILED: the demo kept no receipt of a refusal" >&2
    exit 1
fi
echo "ok: the demo ran and kept the receipts of a payment and of a refusal"

# export NAME RECEIPT: proof, entry and keys in the layout of the sample.
export_as_sample() {
    into=$work/$1
    "$WAYLEAVE_BIN" verify "$2" --trust "$trust" >/dev/null
    mkdir "$work/exported-$1" "$into"
    "$WAYLEAVE_BIN" verify-export "$2" --dir "$work/exported-$1" --trust "$trust" >/dev/null
    mv "$work/exported-$1"/*.tlog-proof "$into/sample.tlog-proof"
    mv "$work/exported-$1"/*.entry "$into/sample.entry"
    sed -n 's/^log //p' "$trust" >"$into/log.vkey"
    sed -n 's/^witness supervisor-nl //p' "$trust" >"$into/w2.vkey"
    sed -n 's/^witness supervisor-sg //p' "$trust" >"$into/w3.vkey"
}
export_as_sample settled "$demo/receipts/1.wayleave"
export_as_sample refused "$refusal"
for ending in settled refused; do
    echo "receipt of the $ending payment:"
    sh "$here/verify_go.sh" "$work/$ending"
    sh "$here/verify_proofbundle.sh" "$work/$ending"
done

record=$demo/records/1.record
mkdir "$work/decisions"
cargo run --quiet -p wayleave-policy --example export_record -- \
    "$demo/bank-nl/pack" "$record" "$work/decisions/1.json" >&2
modules=$(npm_modules npm-cedar @cedar-policy/cedar-wasm@4.13.0)
ln -s "$modules/node_modules" "$work/node_modules"
cp "$here/npm-cedar/replay.mjs" "$work/replay.mjs"
node "$work/replay.mjs" "$work/decisions"
echo "ok: the payer's bank's decision replays the same in cedar-wasm"
node "$work/replay.mjs" "$work/decisions" --canary
echo "ok: the falsified decision is told from the real one"
