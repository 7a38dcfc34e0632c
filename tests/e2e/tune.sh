#!/usr/bin/env bash
# --tune measures the forms of convolutions on this machine and keeps what it finds; later compilations read it, others' lines are left alone, and a
# file that is none of its own is neither used nor replaced.
source "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$work/cache
kept=$XDG_CACHE_HOME/netc/tuned
cat >net.net <<'NET'
network small(4, 12, 12) -> 10 { conv(8, 3, pad=1); relu; conv(8, 3, pad=1); flatten; linear(10) }
train { batch = 32; data = synthetic() }
NET

echo "== what it finds is kept, beside what others found"
mkdir -p "${kept%/*}"
printf 'another machine: forward 3x3 4->8 12x12 batch 32: tile 2\n' >"$kept"
expect 0 "$NETC" --tune=1 net.net -o tuned
grep -Eq '^tuning: direct +[0-9.]+ ms a step$' err.txt || fail "the direct form was not measured"
grep -Eq '^tuning: [0-9]+ of 5 kinds of passes seem faster' err.txt || fail "not all five kinds of passes were measured"
(($(grep -Ec '^[^:]+: (forward|backward_data|backward_weights) 3x3 [0-9]+->8 12x12 batch 32: tile [0-9]+$' "$kept") >= 4)) || fail "kept: $(cat "$kept")"
grep -q '^another machine: forward 3x3 4->8 12x12 batch 32: tile 2$' "$kept" || fail "another machine's line is gone"
expect 0 ./tuned time --steps 1

echo "== later compilations use it"
expect 0 "$NETC" net.net --emit=plan=planned.plan -fno-tuned
sed -i '/^another/!s/: tile [0-9]*$/: tile 5/' "$kept"
expect 0 "$NETC" net.net --print-after=algorithm --stop-after=algorithm
(($(grep -c 'winograd_data.*tile=5' err.txt) >= 4)) || fail "what is kept is not used"
! grep -q 'winograd_data.*tile=2' err.txt || fail "another machine's line is used"
expect 0 "$NETC" net.net --print-after=algorithm --stop-after=algorithm -fno-tuned
! grep -q 'winograd_data.*tile=5' err.txt || fail "-fno-tuned uses it"

echo "== what it cannot do"
printf 'this is no table\n' >"$kept"
expect 4 "$NETC" --tune=1 net.net -o tuned
one_message "netc/tuned:1: .*no line"
grep -q 'this is no table' "$kept" || fail "a foreign file was replaced"
expect 0 "$NETC" net.net --emit=plan
grep -q 'warning: .*tuned:1: .*not used' err.txt || fail "no warning about a file that is not used"
expect 1 "$NETC" -Werror=tuned net.net --emit=plan
rm -rf "$XDG_CACHE_HOME" && : >"$XDG_CACHE_HOME"
expect 4 "$NETC" --tune=1 net.net -o tuned
for wrong in 0 -1 nan 1e9 soon ''; do expect 2 "$NETC" --tune="$wrong" net.net; done
expect 2 "$NETC" --tune=1 --target=aarch64-linux-gnu net.net --emit=obj
one_message 'measures on this machine'
expect 4 env -u XDG_CACHE_HOME -u HOME "$NETC" --tune=1 net.net -o tuned
one_message 'neither XDG_CACHE_HOME nor HOME'
