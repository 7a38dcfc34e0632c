#!/usr/bin/env bash
# Every network of examples/ against PyTorch in float64, at a size that runs in seconds: the losses of eight steps, every tensor's
# update, and then the output in inference, with the running statistics of those steps. Two networks at a time.
source "$(dirname "$0")/lib.sh"

check() { # check NAME: in a folder of its own
    local record=$tests/data/examples/$1
    local -a options
    eval "options=($(cat "$record/options.txt"))"
    mkdir "$1"
    cd "$1"
    work=$PWD
    "$TOOLS/make_hashed" "$record" || fail "$1: what it starts from"
    expect 0 "$NETC" "${options[@]}" "$root/examples/$1.net" -o trainer
    expect 0 ./trainer train --quiet --no-shuffle --threads 1 --max-steps 8 --init-weights initial.safetensors --log log.jsonl --out run
    "$TOOLS/compare_losses" log.jsonl "$record/losses.txt" 2e-5 || fail "$1: losses"
    "$TOOLS/compare_sketches" initial.safetensors run/last.safetensors "$record/updates.txt" 1e-3 || fail "$1: updates"
    expect 0 ./trainer run x.npy -o output.npy --weights run/last.safetensors
    "$TOOLS/compare_arrays" output.npy "$record/output.npy" 1e-4 || fail "$1: the trained network's output"
    rm -r run initial.safetensors
}

names=(linear mlp lenet edge googlenet resnext18 resnet18 regnetx32 mobilenet_v1 densenet alexnet vgg11 nin)
for source in "$root"/examples/*.net; do
    name=$(basename "$source" .net)
    [[ " ${names[*]} " == *" $name "* ]] || fail "examples/$name.net is not recorded: give it a row in tests/record_examples.py, and here"
done
[[ $(ls "$tests/data/examples" | wc -l) == "${#names[@]}" ]] || fail "another number of records than of networks"

jobs=() failed=0
finish() { # finish INDEX: waits for that job, and shows what it said where that tells something
    if wait "${jobs[$1]}"; then
        echo "== ${names[$1]}: $(grep -c ^ok "${names[$1]}.txt") comparisons"
    else
        echo "== ${names[$1]}"
        grep -v ^ok "${names[$1]}.txt" || true
        failed=1
    fi
}
for i in "${!names[@]}"; do
    ((i < 2)) || finish $((i - 2))
    (check "${names[$i]}") >"${names[$i]}.txt" 2>&1 &
    jobs+=($!)
done
for ((i = ${#names[@]} - 2; i < ${#names[@]}; i++)); do finish "$i"; done
((failed == 0)) || fail "the networks above"
