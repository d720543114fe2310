# Sourced by the scripts beside it: makes the sample when it is missing, changed copies of it in
# $work, and tells acceptance from refusal. Expects $here, $work, $dir.
if [ ! -f "$dir/sample.tlog-proof" ]; then
    (cd "$here/.." && cargo run --quiet -p wayleave-evidence --example sample_receipt -- "$dir") >&2
fi

accepts() {
    what=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok: $what is accepted"
    else
        echo "FAILED: $what was refused" >&2
        cat "$work/out" >&2
        exit 1
    fi
}

# Exit 1 is a refusal; anything else (a crash, a usage error, a missing program) is a failure of
# the check itself and must not count as one.
refuses() {
    what=$1
    shift
    status=0
    "$@" >"$work/out" 2>&1 || status=$?
    if [ "$status" -eq 1 ]; then
        echo "ok: $what is refused"
    else
        echo "FAILED: $what ended with status $status, expected 1" >&2
        cat "$work/out" >&2
        exit 1
    fi
}

# Replaces line $1 of the proof by what sed makes of it, into $work/$3, and checks that it did. A
# character is replaced by A, and an A by B: whatever stands there, it changes.
change_line() {
    sed "$1$2" "$dir/sample.tlog-proof" >"$work/$3"
    if cmp -s "$dir/sample.tlog-proof" "$work/$3"; then
        echo "FAILED: the sample for a changed $3 is the untouched one" >&2
        exit 1
    fi
}

blank=$(grep -n '^$' "$dir/sample.tlog-proof" | head -1 | cut -d: -f1)
tr '\001' '\002' <"$dir/sample.entry" >"$work/entry"
if cmp -s "$dir/sample.entry" "$work/entry"; then
    echo "FAILED: the sample for a changed entry is the untouched one" >&2
    exit 1
fi
change_line 2 's/.*/index 272/' index
change_line 3 '{s/^A/B/;t;s/^./A/}' path
change_line $((blank + 2)) 's/.*/301/' size
change_line $((blank + 3)) '{s/^A/B/;t;s/^./A/}' root
# The twenty-first character of the base64: behind the key id, within the signature or its time.
log_line=$((blank + 5))
twenty_first='{s/ \([A-Za-z0-9+\/]\{20\}\)A\(.\{10\}\)/ \1B\2/;t;s/ \([A-Za-z0-9+\/]\{20\}\).\(.\{10\}\)/ \1A\2/}'
change_line "$log_line" "$twenty_first" signature
change_line $((blank + 6)) "$twenty_first" cosignature
sed "$((blank + 6))d" "$dir/sample.tlog-proof" >"$work/one_witness"
other_vkey='PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
