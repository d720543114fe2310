#!/bin/sh
# suite: interop-proofbundle
# needs: tool:python3
# Checks the sample receipt, with its witnesses, with PyPI's proofbundle. See README.md.
# usage: verify_proofbundle.sh [SAMPLE_DIR]   (made when not given)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=${1:-$work/sample}
. "$here/sample.sh"

venv=${WAYLEAVE_INTEROP_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/wayleave-interop/proofbundle-6.3.1}
if [ ! -x "$venv/bin/proofbundle" ]; then
    echo "installing proofbundle 6.3.1 into $venv: the independent verifier" >&2
    python3 -m venv "$venv" || {
        apt-get update -qq >&2
        apt-get install -y -qq python3-venv >&2
        python3 -m venv "$venv"
    }
    "$venv/bin/pip" install --quiet proofbundle==6.3.1 >&2
fi

check() {
    "$venv/bin/proofbundle" verify-proof --payload-file "$1" --log-vkey "$2" \
        --witness-vkey "$(cat "$dir/w2.vkey")" --witness-vkey "$(cat "$dir/w3.vkey")" \
        --threshold 2 "$3"
}
vkey=$(cat "$dir/log.vkey")
accepts "untouched, both witnesses" check "$dir/sample.entry" "$vkey" "$dir/sample.tlog-proof"
refuses "entry changed" check "$work/entry" "$vkey" "$dir/sample.tlog-proof"
for change in index path size root signature cosignature one_witness; do
    refuses "$change changed" check "$dir/sample.entry" "$vkey" "$work/$change"
done
refuses "another log's key" check "$dir/sample.entry" "$other_vkey" "$dir/sample.tlog-proof"
echo "proofbundle: all as expected"
