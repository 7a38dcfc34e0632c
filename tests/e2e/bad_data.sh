#!/usr/bin/env bash
# Faulty data files: exit code 3 and one message that names the file, the place and what is allowed. A checkpoint of an earlier run
# is left as it was.
source "$(dirname "$0")/lib.sh"

"$NETC" "$root/examples/linear.net" -o linear
fake_fashion_mnist good
expect 0 ./linear train --quiet --epochs 1 --data good --out run
cp run/last.safetensors before.safetensors

refuse() { # refuse FOLDER REGEX
    expect 3 ./linear train --quiet --data "$1" --out run
    one_message "$2"
    same run/last.safetensors before.safetensors
}

echo "== a truncated .gz"
cp -r good cut
gzip cut/train-images-idx3-ubyte
truncate -s -20 cut/train-images-idx3-ubyte.gz
refuse cut 'cut/.*train-images-idx3-ubyte.gz'

echo "== a truncated plain file"
cp -r good short
truncate -s -1 short/train-images-idx3-ubyte
refuse short 'short/.*train-images-idx3-ubyte'

echo "== a .gz whose contents are damaged"
cp -r good damaged
gzip damaged/train-images-idx3-ubyte
printf '\xff\xff\xff\xff' | dd of=damaged/train-images-idx3-ubyte.gz bs=1 seek=60 conv=notrunc status=none
refuse damaged 'damaged/.*train-images-idx3-ubyte.gz'

echo "== a label of 10"
cp -r good label
printf '\x0a' | dd of=label/train-labels-idx1-ubyte bs=1 seek=13 conv=notrunc status=none
refuse label 'train-labels-idx1-ubyte.*13.*10.*9'

echo "== 40 images and 39 labels"
cp -r good count
idx_labels 39 >count/train-labels-idx1-ubyte
refuse count '(40.*39|39.*40)'

echo "== not an IDX file"
cp -r good magic
printf 'GIF8' | dd of=magic/train-images-idx3-ubyte bs=1 conv=notrunc status=none
refuse magic 'magic/.*train-images-idx3-ubyte'

echo "== a header that promises four billion images"
cp -r good huge
{ word 2051; word 4294967295; word 28; word 28; head -c 1000 /dev/zero; } >huge/train-images-idx3-ubyte
refuse huge 'huge/.*train-images-idx3-ubyte'

echo "== pictures of another size"
cp -r good size
{ word 2051; word 40; word 32; word 32; head -c 40960 /dev/zero; } >size/train-images-idx3-ubyte
refuse size '1x32x32.*1x28x28'

echo "== no data at all"
mkdir none
refuse none 'none'

echo "== weights of another network"
expect 3 ./linear train --quiet --data good --out run --init-weights "$tests/data/lenet/initial.safetensors"
one_message 'initial.safetensors'
same run/last.safetensors before.safetensors

echo "== weights that are cut off"
head -c 1000 before.safetensors >cut.safetensors
expect 3 ./linear train --quiet --data good --out run --init-weights cut.safetensors
one_message 'cut.safetensors'
same run/last.safetensors before.safetensors
