#!/bin/sh
# suite: interop-tiles-go
# needs: apt:golang-1.19-go apt:golang-golang-x-mod-dev
# Reads the tlog-tiles directory cut out of a packed log with Go's sumdb packages from Debian,
# offline. See README.md.
# usage: tiles_go.sh [EXPORT_DIR]   (made when not given)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=${1:-$work/export}
if [ ! -f "$dir/checkpoint" ]; then
    (cd "$here/.." && cargo run --quiet -p wayleave-store --example export_tiles -- "$dir") >&2
fi

go=$(command -v go || echo /usr/lib/go-1.19/bin/go)
if [ ! -x "$go" ] || [ ! -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]; then
    echo "installing golang-1.19-go and golang-golang-x-mod-dev: the independent verifier" >&2
    apt-get update -qq >&2
    apt-get install -y -qq golang-1.19-go golang-golang-x-mod-dev >&2
    go=$(command -v go || echo /usr/lib/go-1.19/bin/go)
fi
GOPATH=/usr/share/gocode GO111MODULE=off GOPROXY=off GOFLAGS= GOCACHE="$work/cache" \
    "$go" build -o "$work/tiles" "$here/go/tiles.go"
vkey=$(cat "$dir/log.vkey")

check() {
    status=0
    "$work/tiles" "$vkey" "$dir" >"$work/out" 2>&1 || status=$?
}

check
if [ "$status" -ne 0 ]; then
    echo "FAILED: the untouched tiles were refused" >&2
    cat "$work/out" >&2
    exit 1
fi
echo "ok: the untouched tiles are accepted: $(cat "$work/out")"

# One byte of each kind of file; exit 1 is a refusal, anything else a failure of the check.
for path in tile/0/000 tile/0/100 tile/0/257.p/208 tile/1/000 tile/1/001.p/1 tile/2/000.p/1 \
    tile/entries/000 tile/entries/257.p/208 checkpoint; do
    cp "$dir/$path" "$work/kept"
    # The twentieth byte: within the first hash, the first entry, or the checkpoint's origin.
    { head -c 19 "$work/kept"; head -c 20 "$work/kept" | tail -c 1 | tr '\000-\377' '\001-\377\000'; \
        tail -c +21 "$work/kept"; } >"$dir/$path"
    if cmp -s "$work/kept" "$dir/$path"; then
        echo "FAILED: the changed $path is the untouched one" >&2
        exit 1
    fi
    check
    cp "$work/kept" "$dir/$path"
    if [ "$status" -ne 1 ]; then
        echo "FAILED: a changed $path ended with status $status, expected 1" >&2
        exit 1
    fi
    echo "ok: a changed $path is refused"
done
echo "tiles: all as expected"
