#!/usr/bin/env bash
# Training that stopped and went on ends with the same bits as training in one go: stopped between epochs, and within one.
source "$(dirname "$0")/lib.sh"

"$NETC" -D 'train.data=synthetic()' "$root/examples/lenet.net" -o lenet
options=(--quiet --limit 1000 --limit-test 200)

expect 0 ./lenet train "${options[@]}" --epochs 4 --log whole.jsonl --out whole

echo "== between epochs"
expect 0 ./lenet train "${options[@]}" --epochs 2 --out parts
expect 0 ./lenet train "${options[@]}" --epochs 4 --resume --log parts.jsonl --out parts
same_state whole/last.safetensors parts/last.safetensors

echo "== within an epoch, from a named file"
expect 0 ./lenet train "${options[@]}" --epochs 4 --max-steps 11 --out steps
expect 0 ./lenet train "${options[@]}" --epochs 4 --resume steps/last.safetensors --out steps
same_state whole/last.safetensors steps/last.safetensors

echo "== the log goes on where it stopped"
tail -n 1 whole.jsonl | sed 's/,"images_per_s".*//' >a.txt
tail -n 1 parts.jsonl | sed 's/,"images_per_s".*//' >b.txt
same a.txt b.txt

echo "== a checkpoint of another network"
"$NETC" -D 'train.data=synthetic()' "$root/examples/mlp.net" -o mlp
expect 3 ./mlp train "${options[@]}" --resume whole/last.safetensors --out other
one_message 'whole/last.safetensors'
