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
if [[ -n $data ]] && ! has_fashion_mnist "$data"; then
    die "no Fashion-MNIST in $data: looked for train-images-idx3-ubyte or .gz there, in fashion-mnist/ and in FashionMNIST/raw/"
fi

install_packages "${build_packages[@]}"
build_preset release

netc=build/release/netc trainer=build/lenet out=runs/lenet
if pictures=$(find_fashion_mnist "$data"); then
    say "compiling examples/lenet.net"
    "$netc" examples/lenet.net -o "$trainer"
    say "training on Fashion-MNIST from $pictures"
    "$trainer" train --data "$pictures" --out "$out" "${epochs[@]}"
    source_options=''
else
    say "compiling examples/lenet.net for generated pictures (Fashion-MNIST: --data DIR, or put its four files into ~/.cache/netc)"
    source_options=" -D 'train.data=synthetic()'"
    "$netc" -D 'train.data=synthetic()' examples/lenet.net -o "$trainer"
    say "training on ten classes of generated pictures"
    "$trainer" train --out "$out" "${epochs[@]}"
fi

# The last epoch's "val_acc":0.7381 in the log.
accuracy=$(sed -n 's/.*"event":"epoch".*"val_acc":\([0-9.eE+-]*\).*/\1/p' "$out/metrics.jsonl" | tail -n 1)
[[ -n $accuracy ]] || die "$out/metrics.jsonl holds no accuracy"
cat <<TEXT

LeNet is right on $(awk -v a="$accuracy" 'BEGIN { printf "%.1f%%", 100 * a }') of the test pictures.
The curve:      $out/curve.svg
The weights:    $out/last.safetensors, $out/best.safetensors

Try next:
  $trainer test                               loss, accuracy and the confusion matrix
  $trainer time                               where the milliseconds of a step go
  $netc --summary examples/lenet.net    the table of layers
  $netc --emit=plan examples/lenet.net  how each layer was compiled
  edit examples/lenet.net (relu for sigmoid, say), then
  $netc$source_options examples/lenet.net -o $trainer && $trainer train
TEXT
