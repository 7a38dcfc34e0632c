#!/usr/bin/env bash
# Places that cannot be written: exit code 4, one message, nothing half-written, and the previous checkpoint as it was.
source "$(dirname "$0")/lib.sh"

echo "== netc: a folder that is not there"
expect 4 "$NETC" "$root/examples/linear.net" -o nowhere/linear
one_message 'nowhere/linear'
[[ ! -e nowhere ]] || fail "netc made the folder"

echo "== netc: the target is a folder"
mkdir folder
expect 4 "$NETC" "$root/examples/linear.net" -o folder
one_message 'folder'
[[ -z $(ls -A folder) ]] || fail "something was left in folder/"

"$NETC" "$root/examples/linear.net" -o linear
fake_fashion_mnist data

echo "== trainer: --out below a file"
: >file
expect 4 ./linear train --quiet --data data --out file/run
one_message 'file/run|file'
[[ -f file && ! -s file ]] || fail "the file was touched"

echo "== trainer: --log that cannot be written"
expect 4 ./linear train --quiet --data data --out run --log nowhere/log.jsonl
one_message 'nowhere/log.jsonl'

echo "== trainer: a full disk while saving"
mkdir disk
if mount -t tmpfs -o size=256k netc-test disk 2>/dev/null; then
    trap 'umount "$work/disk"; rm -rf "$work"' EXIT
    expect 0 ./linear train --quiet --data data --epochs 1 --out disk/run
    cp disk/run/last.safetensors before.safetensors
    names=$(ls -A disk/run)
    head -c 1M /dev/zero >disk/filler 2>/dev/null || true
    expect 4 ./linear train --quiet --data data --epochs 2 --out disk/run
    one_message 'disk/run/'
    same disk/run/last.safetensors before.safetensors
    [[ $(ls -A disk/run) == "$names" ]] || fail "left in disk/run: $(ls -A disk/run | tr '\n' ' ')"
    echo "== netc: a full disk"
    expect 4 "$NETC" "$root/examples/linear.net" -o disk/linear
    one_message 'disk/linear'
    only_these disk filler run
else
    leave_out "a full disk while saving (mounting a small tmpfs needs root)"
fi
