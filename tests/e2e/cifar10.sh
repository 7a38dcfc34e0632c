#!/usr/bin/env bash
# cifar10(): the binary files, plain and packed, are trained on, tested and predicted under the usual names; bytes for `run` are
# scaled as in training; faulty files end with exit code 3.
source "$(dirname "$0")/lib.sh"

record() { # record CLASS LEVEL: a picture of one level
    byte "$1"
    head -c 3072 /dev/zero | tr '\0' "\\$(printf %o "$2")"
}
batch() { # batch: ten records; the level tells the class
    local i
    for ((i = 0; i < 10; i++)); do record $i $((20 * i + 30)); done
}
mkdir -p data/cifar-10-batches-bin
batch >data/cifar-10-batches-bin/test_batch.bin
for i in 1 2 3 4 5; do cp data/cifar-10-batches-bin/test_batch.bin data/cifar-10-batches-bin/data_batch_$i.bin; done
gzip data/cifar-10-batches-bin/data_batch_3.bin
cat >levels.net <<'END'
network levels(3, 48, 48) -> 10 { global_avg_pool -> linear(32) -> relu -> linear(10) }
train { data = cifar10(resize=48, mean=0.4, std=(0.2, 0.25, 0.3)); batch = 10; epochs = 2; optim = sgd(lr=0.1) }
END
"$NETC" levels.net -o levels

expect 0 ./levels train --quiet --data data --log log.jsonl
[[ $(grep -c '"event":"step"' log.jsonl) == 10 ]] || fail "not five steps in each of two epochs"
expect 0 ./levels test --data data
grep -q '^images 10$' out.txt || fail "not ten test pictures"
grep -Eq '% +automobile$' out.txt || fail "the classes have no names"
expect 0 ./levels predict --index 9 --data data
grep -q '^image 9, class 9 truck:$' out.txt || fail "predict: $(cat out.txt)"

echo "== a picture as a file, as bytes and as numbers gives the same"
npy() { # npy TYPE: the header of [1, 3, 48, 48]
    local text="{'descr': '$1', 'fortran_order': False, 'shape': (1, 3, 48, 48), }"
    printf '\x93NUMPY\x01\x00'; byte $((${#text} + 1)) 0; printf '%s\n' "$text"
}
{ npy '|u1'; head -c 6912 /dev/zero | tr '\0' '\146'; } >bytes.npy # 102 = 0.4 * 255, so (x / 255 - 0.4) / std is 0
{ npy '<f4'; head -c 27648 /dev/zero; } >floats.npy
expect 0 ./levels run bytes.npy -o a.npy
expect 0 ./levels run floats.npy -o b.npy
same a.npy b.npy

echo "== faulty files"
refuse() { # refuse REGEX
    expect 3 ./levels train --quiet --data data --out none
    one_message "$1"
    [[ ! -e none ]] || fail "a run that cannot begin left a folder"
}
truncate -s -1 data/cifar-10-batches-bin/data_batch_2.bin
refuse 'data_batch_2.bin: ends at byte 30729; 1 to 10000 whole records of 3073 bytes'
{ batch; record 11 7; } >data/cifar-10-batches-bin/data_batch_2.bin
refuse 'data_batch_2.bin: byte 30730: class 11 of record 10; 0 to 9'
batch >data/cifar-10-batches-bin/data_batch_2.bin
head -c 100000000 /dev/zero | gzip >data/cifar-10-batches-bin/data_batch_3.bin.gz
refuse 'data_batch_3.bin.gz: has more than the 30730000 bytes'
rm data/cifar-10-batches-bin/data_batch_3.bin.gz
refuse 'no data_batch_3.bin or data_batch_3.bin.gz'
