#!/usr/bin/env bash
# images("dir"): a folder of PNG and JPEG files is learnt, tested and predicted under the names of its folders, whatever the number of
# threads; files that cannot be read are left out and told of; a folder that is no good is one message.
source "$(dirname "$0")/lib.sh"

mkdir -p photos/{apple,leaf,sky}
for ((i = 0; i < 10; i++)); do
    kind=$( ((i % 2)) && echo jpg || echo png)
    "$TOOLS/make_picture" photos/apple/$i.$kind $((14 + i)) 20 $((180 + i)) 40 40
    "$TOOLS/make_picture" photos/leaf/$i.$kind 16 16 40 $((170 + i)) 50
    "$TOOLS/make_picture" photos/sky/$i.$kind 40 $((11 + i)) 50 60 $((190 + i))
done
cat >colours.net <<'END'
network colours(3, 16, 16) -> 3 {
    conv(8, 3, pad=1) -> relu -> global_avg_pool
    linear(3)
}
train {
    data = images("photos", test=0.2, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    batch = 8; epochs = 12; optim = sgd(lr=0.2)
}
END
"$NETC" colours.net -o colours

echo "== train and test"
expect 0 ./colours train --quiet --log log.jsonl
[[ $(grep -c '"event":"step"' log.jsonl) == 36 ]] || fail "not three steps in each of twelve epochs of 24 pictures"
grep -q '"data_wait_seconds":' log.jsonl || fail "the log does not tell how long steps waited for data"
! grep -q unreadable log.jsonl || fail "the log tells of unreadable pictures where there are none"
expect 0 ./colours test
grep -q '^images 6$' out.txt || fail "the test part is not a fifth of thirty pictures"
grep -q '^accuracy 1$' out.txt || fail "three colours are not learnt: $(cat out.txt)"
grep -Eq '100.0% +leaf$' out.txt || fail "the confusion matrix does not name its classes"

echo "== predict"
"$TOOLS/make_picture" red.png 100 30 200 30 30
"$TOOLS/make_picture" blue.jpg 7 9 40 50 210
expect 0 ./colours predict red.png blue.jpg --top 1
[[ $(cat out.txt) == $'red.png:\n  class 0  '0.*$'  apple\nblue.jpg:\n  class 2  '0.*'  sky' ]] || fail "predict: $(cat out.txt)"
expect 0 ./colours predict --index 1 --top 1
grep -q '^image 1, class 1 leaf, leaf/4.png:$' out.txt || fail "predict --index: $(cat out.txt)"
mv photos elsewhere # the names are in the weights
expect 0 ./colours predict red.png --top 1
grep -q 'apple$' out.txt || fail "the class has no name without the folder"
mv elsewhere photos

echo "== the same with any number of threads, in parts, and with -O0 but for rounding"
for n in 1 3; do
    expect 0 ./colours train --quiet --threads $n --out run$n
    same_state run$n/last.safetensors runs/colours/last.safetensors
done
expect 0 ./colours train --quiet --max-steps 4 --out parts
expect 0 ./colours train --quiet --resume --out parts
same_state parts/last.safetensors runs/colours/last.safetensors

echo "== where the folder is looked for"
mkdir -p data far
cp -r photos data/photos
cp colours.net far
"$NETC" far/colours.net -o far/colours
mv photos far/photos
expect 0 far/colours test --weights runs/colours/last.safetensors # beside the .net file
expect 0 ./colours test --data data
expect 3 ./colours test
one_message 'photos: there is no such folder of images'
expect 3 ./colours test --data far/photos
one_message 'far/photos/photos: there is no such folder'
mv far/photos photos

echo "== grey, in parts of their own"
mkdir -p split/train split/test
cp -r photos/apple photos/sky split/train
cp -r photos/sky split/test
sed -e 's/colours(3,/grey(1,/; s/-> 3 {/-> 2 {/; s/linear(3)/linear(2)/' -e 's/mean=(.*), std=(.*))/mean=0.5, std=0.25)/; s/"photos"/"split"/' colours.net >grey.net
"$NETC" grey.net -o grey
expect 0 ./grey train --quiet
expect 0 ./grey test
grep -q '^images 10$' out.txt || fail "the test part is not the folder of that name"
expect 0 ./grey predict red.png

echo "== files that cannot be read"
head -c 200 photos/sky/1.jpg >photos/sky/cut.jpg
echo "no picture" >photos/leaf/text.png
echo "passed over" >photos/leaf/notes.txt
expect 0 ./colours train --quiet --log bad.jsonl --out bad
cat err.txt
[[ $(grep -c warning err.txt) == 1 ]] || fail "not one warning"
grep -q '2 of 26 pictures cannot be read and are left out: .*photos/leaf/text.png: byte 0: .*' err.txt || fail "the warning does not say which"
grep -q 'photos/sky/cut.jpg: byte 200: damaged JPEG' err.txt || fail "the warning does not say where"
grep -q '"unreadable":2' bad.jsonl || fail "the log does not count them"
[[ $(grep -c '"event":"step"' bad.jsonl) == 36 ]] || fail "not the same steps"
expect 0 ./colours train --quiet --no-shuffle --log bad.jsonl --out order # now they are the last ones of every epoch
[[ $(grep -c '"event":"step"' bad.jsonl) == 36 ]] || fail "not the same steps where the faulty files come last"
expect 0 ./colours train --quiet --max-steps 5 --out parts
expect 0 ./colours train --quiet --resume --out parts
same_state parts/last.safetensors bad/last.safetensors
expect 3 ./colours predict red.png photos/sky/cut.jpg
grep -q 'photos/sky/cut.jpg: byte 200: damaged JPEG' err.txt || fail "predict does not say what is wrong"
expect 3 ./colours predict nowhere.png
one_message 'nowhere.png'

echo "== folders that are no good"
expect 2 ./colours predict --index 0 red.png
one_message 'exclude each other'
mkdir photos/zebra
expect 3 ./colours train --quiet --out none
one_message 'photos: 4 folders, so 4 classes .* 3 outputs'
mv photos/leaf photos/zebra/ # three again, but others
mv photos/zebra/leaf/* photos/zebra && rmdir photos/zebra/leaf
expect 3 ./colours test
one_message 'photos: the classes are apple/sky/zebra; the weights were trained on apple/leaf/sky'
for f in photos/*/*; do echo "no picture" >"$f"; done
expect 3 ./colours train --quiet --out none
one_message 'more than half of the 2[0-9] pictures cannot be read; the first: photos/.*: byte 0'
[[ ! -e none ]] || fail "a run that cannot begin left a folder"

echo "== a trainer without pictures needs no library for them"
printf 'network flat(4) -> 2 { linear(2) }\ntrain { data = arrays("x.npy", "y.npy") }\n' >flat.net
"$NETC" flat.net -o flat
! ldd flat | grep -Eq 'png|jpeg' || fail "the trainer of a flat network is linked to libpng or libjpeg"
