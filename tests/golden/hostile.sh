#!/bin/bash
# Hostile inputs: whatever it is given, netc ends in time, within 1 GiB of memory, with exit code 0, 1 or 4 and, unless 0, a message.
#
#     hostile.sh NETC
set -u
netc=$(realpath "$1")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
export NO_COLOR=1
passed=0 failed=0

repeat() { awk -v s="$1" -v n="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%s", s }'; }

check() { # NAME WANTED-CODE [ARGS]: runs netc on NAME.net, or on NAME itself where that is another form
    local name=$1 wanted=$2 code file=$1
    case $name in *.graph) ;; *) file=$name.net ;; esac
    shift 2
    (
        # address sanitizers reserve terabytes: no limit for them
        grep -q __asan_init "$netc" || ulimit -v 1048576
        timeout 20 "$netc" "${@:---check}" "$file" >out 2>err </dev/null
    )
    code=$?
    if [ "$code" = "$wanted" ] && { [ "$code" = 0 ] || [ -s err ]; } && [ "$(wc -c <err)" -lt 100000 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $name: exit $code, wanted $wanted"
        head -c 500 err
    fi
}

net() { printf 'network n(1, 8, 8) -> 10 {\n'; cat; printf '\nflatten -> linear(10)\n}\n'; }

printf '' >empty.net; check empty 1
printf 'a = 1\0b = 2\n' >nul.net; check nul 1
printf 'a = "\xff\xfe"\n' >utf8.net; check utf8 1
printf '\xc3' >utf8_cut.net; check utf8_cut 1
head -c 2000000 /dev/zero >zeros.net; check zeros 1
repeat 'relu\n' 300000 >big.net; check big 1
repeat '(' 1000000 >parens.net; check parens 1
repeat '[' 1000000 >squares.net; check squares 1
repeat '{' 1000000 >braces.net; check braces 1
repeat '}' 1000000 >closing.net; check closing 1
repeat 'block ' 100000 >blocks.net; check blocks 1
{ printf 'a = '; repeat '-' 1000000; } >minus.net; check minus 1
{ printf 'a = '; repeat 'not ' 200000; } >nots.net; check nots 1
{ printf 'a = '; repeat 'if true then ' 50000; } >thens.net; check thens 1
{ printf 'a = 1'; repeat ' + 1' 200000; } >sum.net; check sum 1
{ printf 'a = b'; repeat '[0]' 200000; } >indices.net; check indices 1
{ repeat 'relu -> ' 100000; printf 'relu'; } | net >pipe.net; check pipe 1
{ repeat 'if true { relu } else ' 30000; printf '{ relu }'; } | net >elses.net; check elses 1
{ printf 'a = "'; repeat 'x' 900000; } >string.net; check string 1
{ printf 'a = '; repeat '9' 900000; } >digits.net; check digits 1
repeat 'a' 900000 >name.net; check name 1
{ printf '# '; repeat 'x' 900000; printf '\n'; printf 'relu' | net; } >comment.net; check comment 0
repeat ';' 1000000 | net >semicolons.net; check semicolons 0 || true
awk 'BEGIN { for (i = 0; i < 40000; i++) printf "a%d = unknown%d\n", i, i }' | net >unknowns.net; check unknowns 1
awk 'BEGIN { for (i = 0; i < 50000; i++) printf "a%d = %d\n", i, i }' | net >names.net; check names 0
awk 'BEGIN { print "t0 = (1, 2)"; for (i = 1; i < 60; i++) printf "t%d = (t%d, t%d)\n", i, i - 1, i - 1; print "u = t59 == (t58, t58)"; print "conv(t59, 3)" }' | net >tuples.net
check tuples 1
awk 'BEGIN { print "f0 = relu"; for (i = 1; i < 60; i++) printf "f%d = f%d -> f%d\n", i, i - 1, i - 1; print "f59" }' | net >chains.net; check chains 1
awk 'BEGIN { print "f0 = relu"; for (i = 1; i < 20000; i++) printf "f%d = f%d -> relu\n", i, i - 1; print "f19999" }' | net >long_chain.net; check long_chain 1
{ awk 'BEGIN { for (i = 0; i < 5000; i++) printf "block b%d { b%d }\n", i, i + 1; print "block b5000 { relu }" }'; printf 'b0' | net; } >tower.net; check tower 1
{ awk 'BEGIN { for (i = 0; i < 60; i++) printf "block b%d { b%d; b%d }\n", i, i + 1, i + 1; print "block b60 { }" }'; printf 'b0' | net; } >doubling.net; check doubling 1
{ awk 'BEGIN { for (i = 0; i < 30000; i++) printf "c%d = c%d\n", i, i + 1; print "c30000 = 1" }'; printf 'relu' | net; } >constants.net; check constants 1
{ printf 'block b(x = b()) { relu }\n'; printf 'b' | net; } >own_default.net; check own_default 1
printf 'repeat 9223372036854775807 { repeat 9223372036854775807 { } }' | net >loops.net; check loops 1
printf 'repeat 9223372036854775807 { conv(3, 1) }' | net >layers.net; check layers 1
printf 'conv(1073741824, 1073741824, pad=1073741824, dilation=1073741824)' | net >huge.net; check huge 1
printf 'max_pool(3, stride=1073741824, pad=1) -> conv(1, 1, pad=1073741824)' | net >huge_pad.net; check huge_pad 1
printf 'adaptive_avg_pool(1073741824)' | net >huge_size.net; check huge_size 1
printf 'network n(1, 1, 1000000000) -> 10 { conv(1, 1) -> max_pool((1, 5), stride=(1, 1000000000)) -> flatten -> linear(10) }\ntrain { batch = 1 }\n' >huge_stride.net
check huge_stride 0 --emit=plan=/dev/null
printf 'network n(16, 1, 3) -> 10 { conv(1000000007, 1) -> global_avg_pool; linear(10) }\ntrain { data = synthetic(); batch = 16 }\n' >huge_channels.net
check huge_channels 0 --emit=plan=/dev/null
printf 'network n(1, 1000000, 1000000) -> 10 { conv(64, 3) -> global_avg_pool -> linear(10) }\ntrain { batch = 1073741824 }\n' >huge_batch.net
check huge_batch 1 --emit=plan=/dev/null
{ printf '# args\n\nnetwork n(1, 8, 8) -> 10 { relu -> '; repeat ' ' 900000; printf 'con(3) }\n'; } >far_right.net; check far_right 1
{ printf 'network n(1, 8, 8) -> 10 { x = "'; repeat '\303\251' 2000; printf '" + 1; con(3) }\n'; } >wide_string.net; check wide_string 1
{ printf 'network n(1, 8, 8) -> 10 {\n'; repeat 'relu -> relu\n' 5000; printf 'flatten -> linear(10) }\n'; } >warnings.net; check warnings 0 --check -Weverything
awk 'BEGIN { print "network n(1, 8, 8) -> 10 {"; for (i = 0; i < 50000; i++) printf "a%d = %d\n", i, i; print "flatten -> linear(10)\n}" }' >unused.net; check unused 0 --check -Wall
printf 'import "huge_import.net"\nimport "/"\nimport "/dev/zero"\nimport ""\n' >huge_import.net; check huge_import 1
awk 'BEGIN { for (i = 0; i < 300; i++) printf "import \"i%d.net\"\n", i }' >imports.net; for i in $(seq 0 299); do echo >"i$i.net"; done; check imports 1
ln -s loop.net loop.net; check loop 4
check missing 4
# 10,000 layers in a second: what takes time by the square of their number takes longer
check_fast() { # NAME
    local start took
    start=$(date +%s%N); check "$1" 0; took=$((($(date +%s%N) - start) / 1000000))
    [ "$took" -lt 1000 ] || grep -q __asan_init "$netc" || { failed=$((failed + 1)); echo "FAILED $1: $took ms, allowed 1000"; }
}
awk 'BEGIN { for (i = 0; i < 10000; i++) print "relu" }' | net >ten_thousand.net; check_fast ten_thousand
awk 'BEGIN { for (i = 0; i < 5000; i++) print "conv(4, 3, pad=1) -> relu" }' | net >convolutions.net; check_fast convolutions
printf 'repeat 5000 { conv(4, 3, pad=1) -> relu }' | net >repeated.net; check_fast repeated
{ awk 'BEGIN { print "block b0 { conv(4, 3, pad=1) -> relu }"; for (i = 1; i < 13; i++) printf "block b%d { b%d; b%d }\n", i, i - 1, i - 1 }'; printf 'b12' | net; } >blocks_in_blocks.net; check_fast blocks_in_blocks
awk 'BEGIN { print "x = it"; for (i = 0; i < 10000; i++) printf "y%d = x -> conv(1, 1)\n", i; printf "concat(y0"; for (i = 1; i < 10000; i++) printf ", y%d", i; print ")" }' | net >branches.net; check_fast branches
awk 'BEGIN { print "y0 = it"; for (i = 1; i < 10000; i++) printf "y%d = concat(it, y0)\n", i; print "y0" }' | net >concats.net; check_fast concats
# deterministic noise: bytes, and shuffled tokens of the language
noise() { awk -v seed="$1" -v n="$2" 'BEGIN { srand(seed)
    k = split("network n ( 1 , 8 ) -> 10 { } block train import = == repeat 2 for in if then else it . [ ] + - * / % not and or relu conv linear \"x\" 3.5 true ; \n", t, " ")
    for (i = 0; i < n; i++) printf "%s ", t[int(rand() * k) + 1]; }'; }
for seed in $(seq 1 60); do
    noise "$seed" 400 | tr '$' '\n' >"noise$seed.net"; check "noise$seed" 1
    { echo "network n(1, 8, 8) -> 10 {"; noise "$seed" 30; echo; echo "}"; } >"body$seed.net"; check "body$seed" 1
done
for seed in $(seq 1 20); do
    awk -v seed="$seed" 'BEGIN { srand(seed); for (i = 0; i < 2000; i++) printf "%c", int(rand() * 127) + 1 }' >"bytes$seed.net"; check "bytes$seed" 1
done
awk 'BEGIN { print "network n Nx1 -> Nx1 from \"n\"\nsource 1 \"n\"\ncall 1 b \"b\" !1:1:1-2"; for (i = 2; i < 100000; i++) printf "call %d b \"b\" !1:1:1-2@%d\n", i, i - 1 }' >calls.graph
check calls.graph 1
for kind in ast tokens; do check ten_thousand 0 --emit=$kind; done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
