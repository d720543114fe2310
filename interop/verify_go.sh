#!/bin/sh
# suite: interop-go
# needs: apt:golang-1.19-go apt:golang-golang-x-mod-dev
# Checks the sample receipt with Go's sumdb packages from Debian, offline. See README.md.
# usage: verify_go.sh [SAMPLE_DIR]   (made when not given)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=${1:-$work/sample}
. "$here/sample.sh"

go=$(command -v go || echo /usr/lib/go-1.19/bin/go)
if [ ! -x "$go" ] || [ ! -d /usr/share/gocode/src/golang.org/x/mod/sumdb ]; then
    echo "installing golang-1.19-go and golang-golang-x-mod-dev: the independent verifier" >&2
    apt-get update -qq >&2
    apt-get install -y -qq golang-1.19-go golang-golang-x-mod-dev >&2
    go=$(command -v go || echo /usr/lib/go-1.19/bin/go)
fi
GOPATH=/usr/share/gocode GO111MODULE=off GOPROXY=off GOFLAGS= GOCACHE="$work/cache" \
    "$go" build -o "$work/verify" "$here/go/verify.go"

vkey=$(cat "$dir/log.vkey")
accepts "untouched" "$work/verify" "$vkey" "$dir/sample.entry" "$dir/sample.tlog-proof"
refuses "entry changed" "$work/verify" "$vkey" "$work/entry" "$dir/sample.tlog-proof"
for change in index path size root signature; do
    refuses "$change changed" "$work/verify" "$vkey" "$dir/sample.entry" "$work/$change"
done
refuses "another log's key" "$work/verify" "$other_vkey" "$dir/sample.entry" "$dir/sample.tlog-proof"
echo "go: all as expected"
