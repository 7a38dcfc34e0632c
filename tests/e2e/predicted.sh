#!/usr/bin/env bash
# What the compiler predicts for each kernel is possible, and not absurd: no multiply-add is free, no contraction takes many times as long as its
# multiply-adds and what it moves, and nothing moves faster than from the first cache. `time` shows the predictions beside what it measures.
source "$(dirname "$0")/lib.sh"

# Of the direct multiply-adds that flop counts, Winograd's way saves at most a factor 5.1 (F(6,3)); backward_data leaves out what lies in the
# padding: with 5x5 kernels on 3x3 points all but 81 of 225 products.
check() { # MARCH LANES NETWORK...
    local march=$1 lanes=$2 name
    for name in "${@:3}"; do
        expect 0 "$NETC" -march="$march" --emit=plan="$name.plan" "$root/examples/$name.net"
        awk -v lanes="$lanes" -v batch=128 '
            / B +[0-9]+ slots / {
                kernels++
                products = $2 * batch / 2 / lanes
                vectors = $4 * batch / 4 / lanes
                saved = /winograd/ ? 5.1 : /conv_dx/ ? 225 / 81 : 1
                if ($6 < products / saved) { print "too fast: " $0; bad++ }
                if (products > 1000000 && $6 > 4 * products + 12 * vectors) { print "too slow: " $0; bad++ }
                if ($6 < vectors / 4) { print "moves too much in its time: " $0; bad++ }
            }
            END { exit kernels < 10 || bad > 0 }' "$name.plan" || fail "$name, $march: predictions that cannot be"
    done
}
check x86-64-v4 16 lenet resnet18 vgg11 resnext18 googlenet
check x86-64-v3 8 lenet resnet18 mobilenet_v1

"$NETC" -D 'train.data=synthetic()' "$root/examples/lenet.net" -o lenet
expect 0 ./lenet time --steps 20
grep -Eq '^conv2\.backward_data +backward data +[0-9.]+ +[0-9.]+ +[0-9]+% +[0-9]+\.[0-9]+ +[0-9]+\.[0-9]+ +[0-9.]+ +#' out.txt || fail "no row for conv2.backward_data with its prediction"
grep -Eq '^all kernels [0-9.]+ ms, at least [0-9.]+ ms, predicted [0-9.]+ ms; [0-9]+% of the time is in kernels that are predicted within 30%$' out.txt || fail "no summary of predictions"
expect 0 ./lenet time --steps 5 --json
grep -Eq '"name":"conv2.backward_data","layer":"conv2","pass":"backward_data","ms":[^,]+,"predicted_ms":[0-9.]+' out.txt || fail "no predicted_ms"

# What a kernel takes at least is no more than its median; of all kernels together, it is more than a quarter of it.
sed 's/"name"/\n&/g' out.txt | awk '
    match($0, /"ms":[^,]*/) && /"least_ms"/ { ms = substr($0, RSTART + 5, RLENGTH - 5) + 0; match($0, /"least_ms":[^,]*/); least = substr($0, RSTART + 11, RLENGTH - 11) + 0
        if (!(least > 0) || least > 1.0001 * ms) { print "at least " least " of " ms ": " $0; bad++ }
        kernels++; all += ms; all_least += least }
    END { exit bad || kernels < 20 || all_least < all / 4 }' || fail "what kernels take at least is not a part of what they take"
