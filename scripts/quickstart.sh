#!/usr/bin/env bash
# quickstart.sh: from a bare Debian 12 to a trained LeNet, with one command.
#
#     scripts/quickstart.sh [--data DIR] [--epochs N]
#
# Installs the packages that are missing (root or sudo), builds build/release/netc, compiles examples/lenet.net into a
# native trainer and runs it: on Fashion-MNIST where DIR, $NETC_DATA or ~/.cache/netc has it, else on generated pictures.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

usage() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; }

data='' epochs=()
while (( $# )); do
    case $1 in
        --data) [[ $# -ge 2 ]] || die "--data wants a folder"; data=$2; shift 2 ;;
        --data=*) data=${1#*=}; shift ;;
        --epochs) [[ $# -ge 2 ]] || die "--epochs wants a number"; epochs=(--epochs "$2"); shift 2 ;;
        --epochs=*) epochs=(--epochs "${1#*=}"); shift ;;
        -h|--help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
[[ -z $data || $data == /* ]] || data=$called_from/$data
if [[ -n $data ]] && ! has_fashion_mnist "$data"; then
    die "no Fashion-MNIST in $data: looked for train-images-idx3-ubyte or .gz there, in fashion-mnist/ and in FashionMNIST/raw/"
fi

install_packages "${build_packages[@]}"
build_preset release

netc=build/release/netc trainer=build/lenet out=runs/lenet
data_options=() source_options=()
if pictures=$(find_fashion_mnist "$data"); then
    say "compiling examples/lenet.net"
    subject="Fashion-MNIST from $pictures"
    [[ -z $data ]] || data_options=(--data "$pictures")
else
    say "compiling examples/lenet.net for generated pictures (Fashion-MNIST: --data DIR, or its four files in ~/.cache/netc)"
    subject="ten classes of generated pictures"
    source_options=(-D 'train.data=synthetic()')
fi
"$netc" "${source_options[@]}" examples/lenet.net -o "$trainer"
say "training on $subject"
"$trainer" train --out "$out" "${data_options[@]}" "${epochs[@]}"

# The last epoch's "val_acc":0.7381 in the log.
accuracy=$(sed -n 's/.*"event":"epoch".*"val_acc":\([0-9.eE+-]*\).*/\1/p' "$out/metrics.jsonl" | tail -n 1)
[[ -n $accuracy ]] || die "$out/metrics.jsonl holds no accuracy"

# as_typed WORD...: the words as a shell would have them typed, each with a space before it.
as_typed() {
    local word
    for word; do
        if [[ $word =~ ^[A-Za-z0-9_./+=-]+$ ]]; then printf ' %s' "$word"; else printf ' %s' "${word@Q}"; fi
    done
}

# try COMMAND WHAT-FOR: a line of the list.
try() { printf '  %-52s %s\n' "$1" "$2"; }

with_data=$(as_typed "${data_options[@]}") with_source=$(as_typed "${source_options[@]}")
printf '\nLeNet is right on %s of the test pictures.\n' "$(awk -v a="$accuracy" 'BEGIN { printf "%.1f%%", 100 * a }')"
printf 'The curve:    %s\n' "$root/$out/curve.svg"
printf 'The weights:  %s\n' "$root/$out/last.safetensors"
printf '\nTry next%s:\n' "$([[ $called_from == "$root" ]] || printf ', in %s' "$root")"
try "$trainer test$with_data" "loss, accuracy and the confusion matrix"
try "$trainer time" "where the milliseconds of a step go"
try "$netc --summary examples/lenet.net" "the table of layers"
try "$netc --emit=plan examples/lenet.net" "how each layer was compiled"
printf '  %s\n' "edit examples/lenet.net (relu for sigmoid learns faster), then" \
    "$netc$with_source examples/lenet.net -o $trainer && $trainer train$with_data"
