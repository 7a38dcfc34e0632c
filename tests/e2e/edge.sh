#!/usr/bin/env bash
# examples/edge.net learns the kernel [1, -1] from one picture: loss under 0.1 after ten steps, weights within 0.1.
source "$(dirname "$0")/lib.sh"

"$NETC" "$root/examples/edge.net" -o edge
expect 0 ./edge train --quiet --data "$root/examples" --log log.jsonl --out run
steps=$(grep -c '"event":"step"' log.jsonl)
[[ $steps == 10 ]] || fail "$steps steps, wanted 10"
loss=$(sed -n 's/.*"event":"epoch".*"train_loss":\([^,}]*\).*/\1/p' log.jsonl | tail -n 1)
expect 0 ./edge export weights.safetensors --weights run/last.safetensors
kernel=$(tail -c 8 weights.safetensors | od -An -t f4)
echo "loss $loss, kernel $kernel"
awk -v loss="$loss" 'BEGIN { exit !(loss > 0 && loss < 0.1) }' || fail "the loss is not under 0.1"
awk '{ d = $1 - 1; e = $2 + 1; exit !(d * d < 0.01 && e * e < 0.01) }' <<<"$kernel" || fail "the kernel is not within 0.1 of (1, -1)"
