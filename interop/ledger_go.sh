#!/bin/sh
# suite: interop-ledger-go
# needs: wayleave tool:curl
# needs: apt:golang-1.19-go apt:golang-golang-x-mod-dev
# The log of a stand-alone ledger as it is served, and a receipt of it, with Go's sumdb packages from
# Debian: 300 transactions are imported, the tiles fetched over HTTP, one receipt exported. See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
cd "$here/.."
if [ -z "${WAYLEAVE_BIN:-}" ]; then
    cargo build --quiet -p wayleave --bin wayleave
    target=$(cargo metadata --format-version 1 --no-deps |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    WAYLEAVE_BIN=$target/debug/wayleave
fi
go=$(command -v go || echo /usr/lib/go-1.19/bin/go)
if [ ! -x "$go" ] || [ ! -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]; then
    echo "installing golang-1.19-go and golang-golang-x-mod-dev: the independent verifier" >&2
    apt-get update -qq >&2
    apt-get install -y -qq golang-1.19-go golang-golang-x-mod-dev >&2
    go=$(command -v go || echo /usr/lib/go-1.19/bin/go)
fi
for program in verify tiles; do
    GOPATH=/usr/share/gocode GO111MODULE=off GOPROXY=off GOFLAGS= GOCACHE="$work/cache" \
        "$go" build -o "$work/$program" "$here/go/$program.go"
done

export WAYLEAVE_LEDGER="$work/book" WAYLEAVE_STATE="$work/state"
ledger() { "$WAYLEAVE_BIN" ledger "$@" >"$work/said" || { cat "$work/said" >&2; exit 1; }; }
ledger init --origin interop.example/ledger
"$WAYLEAVE_BIN" ledger serve --json --http 127.0.0.1:0 >"$work/ready" &
server=$!
until [ -s "$work/ready" ]; do sleep 0.1; done
http=$(sed -n 's/.*"http":"\([^"]*\)".*/\1/p' "$work/ready")
ledger account open cash --asset EUR.2@bank --normal debit --no-floor
ledger account open alice --asset EUR.2@bank
{
    echo "id,business_date,from,to,amount"
    n=0
    while [ "$n" -lt 300 ]; do
        echo "t-$n,2026-01-05,cash,alice,1.00"
        n=$((n + 1))
    done
} >"$work/history.csv"
ledger import "$work/history.csv"
"$WAYLEAVE_BIN" ledger checkpoint --key >"$work/log.vkey"
# The receipt waits until a checkpoint covers the newest fact, which is the 302nd.
(cd "$work" && "$WAYLEAVE_BIN" ledger receipt t-299 --out newest.wayleave >/dev/null)
(cd "$work" && "$WAYLEAVE_BIN" ledger receipt t-150 --out one.wayleave >/dev/null)
"$WAYLEAVE_BIN" verify-export "$work/one.wayleave" --dir "$work/parts" >/dev/null

size=302
mkdir -p "$work/log/tile/0" "$work/log/tile/1" "$work/log/tile/entries" "$work/log/tile/0/001.p" \
    "$work/log/tile/1/000.p" "$work/log/tile/entries/001.p"
for path in checkpoint tile/0/000 tile/entries/000 "tile/0/001.p/$((size - 256))" \
    "tile/entries/001.p/$((size - 256))" tile/1/000.p/1; do
    curl --silent --show-error --fail --output "$work/log/$path" "http://$http/log/$path"
done
vkey=$(cat "$work/log.vkey")
said=$("$work/tiles" "$vkey" "$work/log")
echo "ok: the tiles as served are accepted: $said"

refuses() {
    what=$1
    shift
    status=0
    "$@" >"$work/out" 2>&1 || status=$?
    if [ "$status" -ne 1 ]; then
        echo "FAILED: $what ended with status $status, expected 1" >&2
        cat "$work/out" >&2
        exit 1
    fi
    echo "ok: $what is refused"
}
entry=$work/parts/one.entry
proof=$work/parts/one.tlog-proof
"$work/verify" "$vkey" "$entry" "$proof" >/dev/null
echo "ok: the receipt's proof is accepted"
tr '\001' '\002' <"$entry" >"$work/entry"
refuses "another entry" "$work/verify" "$vkey" "$work/entry" "$proof"
sed '2s/.*/index 3/' "$proof" >"$work/index"
refuses "another index" "$work/verify" "$vkey" "$entry" "$work/index"
refuses "another log's key" "$work/verify" \
    'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW' "$entry" "$proof"
echo "ledger: all as expected"
