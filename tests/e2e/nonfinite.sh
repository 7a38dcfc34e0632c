#!/usr/bin/env bash
# A loss that is not a finite number ends training within its step: exit code 5, one message with the step and the first layer whose
# output is not finite, whatever is fused with whatever, and the last good checkpoint stays as it was.
source "$(dirname "$0")/lib.sh"

# poisoned FROM TENSOR TO: the safetensors file with an infinity as the tensor's first number.
poisoned() {
    local header at
    header=$(od -An -t u8 -N 8 "$1")
    at=$(head -c $((8 + header)) "$1" | tail -c +9 | grep -ao "\"$2\":{[^}]*}" | sed 's/.*"data_offsets":\[\([0-9]*\),.*/\1/')
    [[ -n $at ]] || fail "$1 has no tensor $2"
    cp "$1" "$3"
    printf '\x00\x00\x80\x7f' | dd of="$3" bs=1 seek=$((8 + header + at)) conv=notrunc status=none
}

# blames LAYER TRAINER OPTION...: training stops at the first step, and names the layer.
blames() {
    local layer=$1 trainer=$2
    shift 2
    expect 5 "./$trainer" train --quiet --limit 40 --limit-test 20 --out bad "$@"
    one_message "step 1 \(epoch 1\).* the first layer whose output is not finite is $layer;"
    [[ ! -e bad/last.safetensors ]] || fail "bad weights were saved"
}

echo "== a deep network with blocks and batch norm"
"$NETC" -D 'train.data=synthetic()' -D size=32 -D ratio=8 -D train.batch=20 "$root/examples/resnet18.net" -o resnet
expect 0 ./resnet train --quiet --max-steps 1 --limit 40 --limit-test 20 --out good
for layer in conv1 stage1.residual2.conv1 stage2.residual1.conv1 stage2.residual1.conv2 stage3.residual2.batch_norm1 stage4.residual2.conv2 linear1; do
    poisoned good/last.safetensors "$layer.weight" bad.safetensors
    for threads in 1 2; do blames "$layer" resnet --threads "$threads" --init-weights bad.safetensors; done
done

echo "== a network whose training is one segment, optimised and not; dropout"
cat >plain.net <<'END'
network plain(1, 14, 14) -> 10 {
    conv(6, 3, pad=1) -> relu -> max_pool(2)
    a = it -> conv(4, 1) -> relu
    b = it -> conv(5, 3, pad=1) -> sigmoid
    concat(a, b)
    flatten -> linear(30) -> relu -> dropout; linear(20) -> relu; linear(10)
}
train { batch = 20; schedule = constant }
END
for level in -O2 -O0; do
    "$NETC" "$level" plain.net -o plain
    expect 0 ./plain train --quiet --max-steps 1 --limit 40 --limit-test 20 --out plain-good
    for layer in conv1 conv2 linear1 linear2 linear3; do
        poisoned plain-good/last.safetensors "$layer.weight" bad.safetensors
        blames "$layer" plain --init-weights bad.safetensors
    done
done

echo "== weights that overflow while training, and the checkpoint of the epoch before"
expect 0 ./resnet train --quiet --epochs 2 --limit 60 --limit-test 20 --out run
cp run/last.safetensors kept.safetensors
expect 5 ./resnet train --quiet --epochs 9 --limit 60 --limit-test 20 --out run --resume --lr 1e30
one_message 'step [0-9]+ \(epoch 3\).* the first layer whose output is not finite is [a-z0-9_.]+; the last checkpoint is kept'
same kept.safetensors run/last.safetensors
only_these run best.safetensors last.safetensors metrics.jsonl curve.svg
expect 0 ./resnet train --quiet --epochs 3 --limit 60 --limit-test 20 --out run --resume # it loads, and goes on

echo "== the step that fails changes no weight: the same one is blamed with the weights of the step before"
expect 5 ./resnet train --quiet --no-shuffle --limit 60 --limit-test 20 --lr 1e30 --out burst --log log.jsonl
one_message 'the first layer whose output is not finite is'
steps=$(sed -n 's/.*step \([0-9]*\) .*/\1/p' err.txt)
[[ $(grep -c '"event":"step"' log.jsonl) == $((steps - 1)) ]] || fail "the log has other steps than those before the message's"

echo "== data that are not finite are refused before the first step"
cat >arrays.net <<'END'
network arrays(4) -> 2 { linear(2) }
train { data = arrays(inputs="x.npy", targets="y.npy"); batch = 2; loss = squared_error() }
END
npy() { # npy ROWS COLUMNS: a header of 128 bytes
    local text="{'descr': '<f4', 'fortran_order': False, 'shape': ($1, $2), }"
    printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$text"
}
{ npy 2 4; printf '\x00\x00\x00\x3f%.0s' 1 2 3 4 5; printf '\x00\x00\xc0\x7f'; printf '\x00\x00\x00\x3f%.0s' 1 2; } >x.npy
{ npy 2 2; printf '\x00\x00\x00\x3f%.0s' 1 2 3 4; } >y.npy
"$NETC" arrays.net -o arrays
expect 3 ./arrays train --quiet --out arrays-out
one_message 'x.npy: byte 148: not a number'
