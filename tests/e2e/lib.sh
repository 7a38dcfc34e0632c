# lib.sh: what the end-to-end tests share. A test is a bash script that sources this file; ctest runs it with
#   NETC   the compiler under test
#   TOOLS  the folder of compare_weights, compare_losses, compare_arrays and make_picture
# and takes exit code 0 for passed, 77 for skipped, anything else for failed. It works in a folder of its own, removed at the end.

set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$tests/../scripts/lib.sh"

: "${NETC:?the compiler under test}" "${TOOLS:?the folder of the compare tools}"
test_name=$(basename "$0" .sh)
work=$(mktemp -d "${TMPDIR:-/tmp}/netc-$test_name.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# fail TEXT...: what went wrong, and the end.
fail() { printf 'FAIL: %s\n' "$*"; exit 1; }

# leave_out REASON: a part of this test is not run; scripts/test.sh says so at its end.
leave_out() {
    printf 'NOT TESTED: %s\n' "$*"
    printf 'e2e_%s: %s\n' "$test_name" "$*" >>"${NETC_SKIPPED:-/dev/null}"
}

# skip REASON: this test is not run.
skip() { leave_out "$*"; exit 77; }

# need_fashion_mnist: skips the test where the real pictures are not at hand; exports NETC_DATA.
need_fashion_mnist() {
    NETC_DATA=$(find_fashion_mnist) || skip "needs Fashion-MNIST in \$NETC_DATA or ~/.cache/netc"
    export NETC_DATA
}

# expect CODE COMMAND...: runs it with output to out.txt and err.txt; fails at any other exit code.
expect() {
    local wanted=$1 code=0
    shift
    "$@" >"$work/out.txt" 2>"$work/err.txt" </dev/null || code=$?
    if [[ $code != "$wanted" ]]; then
        tail -n 20 "$work/out.txt" "$work/err.txt"
        fail "exit code $code, wanted $wanted: $*"
    fi
}

# one_message REGEX: the last command's stderr was just one line, and that matches.
one_message() {
    local lines
    lines=$(wc -l <"$work/err.txt")
    cat "$work/err.txt"
    [[ $lines == 1 ]] || fail "$lines lines on stderr, wanted one message"
    grep -Eq -- "$1" "$work/err.txt" || fail "the message does not say /$1/"
}

# same FILE FILE: bit for bit, and not empty.
same() {
    [[ -s $1 ]] || fail "$1 is missing or empty"
    cmp "$1" "$2" || fail "$1 and $2 differ"
}

# same_state FILE FILE: two checkpoints hold the same numbers, bit for bit. Their headers may differ: they tell how long epochs took.
same_state() {
    [[ -s $1 && -s $2 ]] || fail "$1 or $2 is missing or empty"
    cmp <(tensors "$1") <(tensors "$2") || fail "the tensors of $1 and $2 differ"
    [[ $(tensors "$1" | wc -c) -gt 0 ]] || fail "$1 holds no tensors"
}
# tensors FILE: what stands in a safetensors file behind its header, whose length its first eight bytes give.
tensors() { tail -c +$(($(od -An -t u8 -N 8 "$1") + 9)) "$1"; }

# only_these FOLDER NAME...: the folder holds just these, temporary files included.
only_these() {
    local folder=$1
    shift
    local found wanted
    found=$(ls -A "$folder")
    wanted=$(printf '%s\n' "$@" | sort)
    [[ $(sort <<<"$found") == "$wanted" ]] || fail "$folder holds: ${found//$'\n'/ }; wanted: ${wanted//$'\n'/ }"
}

# byte N...: the bytes with these decimal values.
byte() {
    local n
    for n; do printf "\\x$(printf %x "$n")"; done
}

# word N: the four bytes of a big-endian number.
word() { byte $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }

# idx_images N: an IDX file of N pictures, 28 x 28, of one grey each; idx_labels N: the classes 0 1 2 .. 9 0 1 ..
idx_images() {
    local i
    word 2051; word "$1"; word 28; word 28
    for ((i = 0; i < $1; i++)); do head -c 784 /dev/zero | tr '\0' "\\$(printf %o $((i * 7 % 250 + 1)))"; done
}
idx_labels() {
    local i
    word 2049; word "$1"
    for ((i = 0; i < $1; i++)); do byte $((i % 10)); done
}

# fake_fashion_mnist FOLDER: forty pictures to train on, twenty to test on, plain files.
fake_fashion_mnist() {
    mkdir -p "$1"
    idx_images 40 >"$1/train-images-idx3-ubyte"
    idx_labels 40 >"$1/train-labels-idx1-ubyte"
    idx_images 20 >"$1/t10k-images-idx3-ubyte"
    idx_labels 20 >"$1/t10k-labels-idx1-ubyte"
}
