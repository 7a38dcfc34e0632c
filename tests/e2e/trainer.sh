#!/usr/bin/env bash
# Every subcommand of a trainer does its work, and wrong command lines end with exit code 2 and one message.
source "$(dirname "$0")/lib.sh"

"$NETC" "$root/examples/lenet.net" -o lenet
fake_fashion_mnist data
export NETC_DATA=$work/data

echo "== train"
expect 0 ./lenet train --epochs 2 --batch 16 --log log.jsonl
only_these runs/lenet best.safetensors curve.svg last.safetensors metrics.jsonl
[[ $(grep -c '"event":"step"' log.jsonl) == 6 ]] || fail "not three steps in each of two epochs"
[[ $(sed -n 3p log.jsonl) == *'"images":8}' ]] || fail "the short last batch: $(sed -n 3p log.jsonl)"
[[ $(grep -c '"event":"epoch"' runs/lenet/metrics.jsonl) == 2 ]] || fail "metrics.jsonl has not two epochs"
grep -q '<svg' runs/lenet/curve.svg || fail "curve.svg is no picture"

echo "== summary"
expect 0 ./lenet summary
grep -Eq '61[, _]?706' out.txt || fail "summary does not give 61,706 parameters"
for shape in 6x28x28 6x14x14 16x10x10 16x5x5 400 120 84 10; do grep -qw "$shape" out.txt || fail "summary lacks $shape"; done

expect 0 ./lenet summary --json --threads 2
grep -qF '{"name":"conv2","kind":"conv","output":[16,10,10],"parameters":2416,"multiply_adds":240000},' out.txt || fail "summary --json: $(<out.txt)"
grep -Eq '^\{"name":"lenet",.*,"input":\[1,28,28\],"batch":128,.*\],"threads":2,"state_bytes":[0-9]+,.*"peak_bytes":[0-9]+\}$' out.txt || fail "summary --json: $(<out.txt)"

echo "== tables: columns are as wide as what stands in them"
printf 'block a_block_of_a_long_name() { conv(8, 3, pad=1) -> adaptive_avg_pool(2) }\nblock around() { a_block_of_a_long_name() }\n' >long.net
printf 'network long(1, 8, 8) -> 2 { around() -> flatten -> linear(2) }\ntrain { data = synthetic(); batch = 16 }\n' >>long.net
expect 0 "$NETC" long.net
expect 0 ./long time --steps 1 --threads 1
grep -q '^long: batch 16, 1 thread, median of 1 step$' out.txt || fail "the heading: $(head -n 1 out.txt)"
awk '/^all kernels/ { exit }
    /\|/ { place = ""; for (i = 1; i <= length; i++) if (substr($0, i, 1) == "|") place = place " " i; if (bars && place != bars) exit 1; bars = place; rows++ }
    /^kernel / { end = index($0, "MB") + 1; next }
    end && NF { if (substr($0, end - 2, 4) !~ /^\.[0-9][0-9] ?$/) exit 1; kernels++ }
    END { if (rows != 6 || kernels < 8) exit 1 }' out.txt || fail "a column is out of place: $(<out.txt)"
expect 0 ./long summary
awk '/^layer / { end = length } /^around1/ || /^total/ { if (length != end) exit 1; rows++ } END { if (rows != 3) exit 1 }' out.txt || fail "summary: $(<out.txt)"
! grep -q ' $' out.txt || fail "blanks at the end of a line"

echo "== test, predict, export, time"
expect 0 ./lenet test
expect 0 ./lenet predict --index 3
[[ -s out.txt ]] || fail "predict says nothing"
expect 0 ./lenet export weights.safetensors
expect 0 ./lenet train --quiet --max-steps 1 --init-weights weights.safetensors --out again
expect 0 ./lenet time --steps 5 --json
for key in images_per_s step_ms gflops peak_gflops peak_rss_bytes layers; do grep -q "\"$key\":" out.txt || fail "time --json lacks $key"; done
layer=$(grep -o '"name":"conv1","kind":"conv","forward_ms":[^,]*,"forward_predicted_ms":[^,]*,"forward_gflops":[^,]*' out.txt)
kernel=$(grep -o '"name":"conv1.forward","layer":"conv1","pass":"forward","ms":[^,]*,"predicted_ms":[^,]*,"gflops":[^,]*' out.txt)
[[ -n $layer && ${layer##*:} == "${kernel##*:}" ]] || fail "a layer of one kernel has another rate than the kernel: $layer, $kernel"
! grep -q '\.infer"' out.txt || fail "time lists kernels that are no part of a training step"

echo "== time --forward"
keys() { grep -o '"[a-z_]*":' | sort -u; }
keys <out.txt >step_keys.txt
expect 0 ./lenet time --forward --steps 5 --json
keys <out.txt | cmp - step_keys.txt || fail "inference and training have other keys in time --json"
flops=$(sed -E 's/.*"step_ms":([^,]*),"gflops":([^,]*).*/\1 \2/' out.txt | awk '{ printf "%.0f", $1 * $2 * 1e3 / 128 }')
((flops >= 832 && flops <= 834)) || fail "an image's inference is $flops kflop, wanted 833"
[[ $(grep -o '"name":"[^"]*\.forward[^"]*"' out.txt | grep -vc '\.infer') == 0 ]] || fail "time --forward lists kernels of a training step"
for layer in conv1 conv2 linear1 linear2 linear3; do
    grep -q "\"name\":\"$layer.forward.infer\",\"layer\":\"$layer\",\"pass\":\"forward\",\"ms\":[0-9]" out.txt || fail "time --forward lacks $layer"
done
! grep -Eq '"(backward_[a-z]*|update)_ms":(0[^,]|[1-9])' out.txt || fail "inference goes backward"
expect 0 ./lenet time --forward --steps 1
grep -Eq '^inference [0-9.]+ ms, [0-9]+ images/s' out.txt || fail "the table does not say that it is of inference"
! grep -q '^data' out.txt || fail "time --forward tells of the data of training"

echo "== wrong command lines"
expect 2 ./lenet trian
one_message 'trian.*train'
expect 2 ./lenet train --epoch 3
one_message 'epoch.*--epochs'
expect 2 ./lenet train --epochs three
one_message 'three'
expect 2 ./lenet train --batch 129
one_message '129.*128'
expect 2 ./lenet train --batch 0
one_message '0'
expect 2 ./lenet train --lr -1
one_message '-1'
expect 2 ./lenet time --forward --lr 1
one_message 'forward.*--lr'
expect 2 ./lenet time --forward --data data
one_message 'forward.*--data'
expect 2 ./lenet train --forward
one_message 'forward'
expect 2 ./lenet train --threads
one_message 'threads'

echo "== files that are not there"
expect 3 ./lenet run nowhere.npy -o y.npy
one_message 'nowhere.npy'
[[ ! -e y.npy ]] || fail "y.npy was written"
expect 4 ./lenet test --weights nowhere.safetensors
one_message 'nowhere.safetensors'

echo "== a loss that is not finite"
"$NETC" "$root/examples/linear.net" -o linear
expect 5 ./linear train --quiet --lr 1e38 --epochs 50 --out burst
one_message 'step [0-9]+'

echo "== weights that are not finite behind a loss that was"
"$NETC" "$root/examples/edge.net" -o edge # its sum of squares has gradients well above 1
expect 5 ./edge train --quiet --lr 3e38 --max-steps 1 --data "$root/examples" --out burst2
one_message 'step 1.*not finite'
expect 0 ./edge time --forward --steps 2 # of a picture as output, with neither classes nor targets
[[ ! -e burst2/last.safetensors ]] || fail "bad weights were saved"
