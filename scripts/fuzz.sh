#!/usr/bin/env bash
# fuzz.sh: installs what is missing, builds the preset `fuzz` (clang, libFuzzer, the address and undefined-behaviour sanitizers) and
# runs the harnesses of tests/fuzz one after the other.
#
#     scripts/fuzz.sh [SECONDS [HARNESS...]]     60 seconds each of net, graph, loops, files and measured
#     scripts/fuzz.sh --minimize [HARNESS...]    makes tests/fuzz/corpus as small as its coverage allows, with what runs have found
#
# Inputs that reach new code are kept in build/fuzz/corpus/NAME; a run begins with them, tests/fuzz/corpus/NAME and seeds made of the
# tests' networks. A finding is a crash, a report of a sanitizer, 10 seconds or 2 GiB: its input is left in build/fuzz/findings/NAME, and
# the exit code is 1. Put it, made smaller with `build/fuzz/fuzz_NAME -minimize_crash=1 INPUT`, into tests/fuzz/corpus/NAME with the
# repair: the tests replay that folder. On a machine that is busy with other work $FUZZ_TIMEOUT may be longer than 10.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

minimize=false seconds=60
if [[ ${1-} == --minimize ]]; then
    minimize=true
    shift
elif (( $# )); then
    [[ $1 =~ ^[0-9]+$ ]] || die "'$1' is no number of seconds"
    seconds=$1
    shift
fi
harnesses=("${@:-net}")
(( $# )) || harnesses=(net graph loops files measured)
for name in "${harnesses[@]}"; do [[ -f tests/fuzz/fuzz_$name.c ]] || die "no harness tests/fuzz/fuzz_$name.c"; done

install_packages "${build_packages[@]}" "${test_packages[@]}" clang-19 libclang-rt-19-dev
build_preset fuzz
cmake --build build/fuzz --target netc -- --quiet || die "building netc failed"
netc=$root/build/fuzz/netc
corpus_bytes=250000 # of one folder
limits=("-timeout=${FUZZ_TIMEOUT:-10}" -rss_limit_mb=2048 -malloc_limit_mb=1024)
export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_stack_use_after_return=1:allocator_may_return_null=1

# one_layer_nets FOLDER: a small network for each layer of the language, and some for what joins them.
one_layer_nets() {
    local body count=0 pool='global_avg_pool'
    for body in 'conv(2, 2, pad=1) -> '$pool 'conv(2, 1, groups=2, bias=false) -> '$pool 'conv(3, 3, pad=1) -> '$pool 'conv(2, 2) -> relu -> max_pool(2) -> '$pool \
        'max_pool(3, stride=1, pad=1) -> '$pool 'avg_pool(2, stride=1) -> '$pool 'adaptive_avg_pool(2) -> '$pool $pool global_max_pool flatten \
        "batch_norm -> $pool" "dropout -> $pool" "relu -> $pool" "leaky_relu -> $pool" "sigmoid -> $pool" "tanh -> $pool" "gelu -> $pool" "silu -> $pool" \
        "hard_swish -> $pool" "softmax -> $pool" "a = it; relu; it * a - a; $pool" "a = it; tanh; concat(it, a) -> $pool"; do
        count=$((count + 1))
        printf 'network n(2, 4, 4) -> 2 { %s -> linear(2) }\ntrain { batch = 3; optim = sgd(0.1, momentum=0.5, nesterov=true) }\n' "$body" >"$1/one$count.net"
    done
    # Calls within calls: the places of what they become name them.
    printf 'block one(k) { conv(k, 1, bias=false) }\nblock two { one(2); one(2) }\nnetwork n(2, 1, 1) -> 2 { two -> flatten }\n' >"$1/calls.net"
    # Of a convolution's weight gradient, with its input's channels in the lanes.
    printf 'network n(8, 2, 6) -> 2 { conv(2, 2, bias=false) -> %s -> linear(2) }\ntrain { batch = 9 }\n' "$pool" >"$1/turned.net"
}

# forms: the small networks of the tests as graphs (whole, and the forward pass) and as loops (of the forward pass, plain and fast).
forms() {
    local net name nets=build/fuzz/nets graphs=build/fuzz/seeds/graph loops=build/fuzz/seeds/loops
    mkdir -p "$nets" "$graphs" "$loops"
    one_layer_nets "$nets"
    cp tests/golden/texts/lib/*.graph "$graphs"
    cp tests/golden/texts/lib/*.loops "$loops"
    for net in "$nets"/*.net tests/data/nets/*/net.net tests/golden/graph/*.net; do
        name=$(basename "${net#tests/data/nets/}" /net.net)
        [[ -s $graphs/$name.graph ]] && continue
        "$netc" -march=x86-64-v3 "--emit=graph=$graphs/$name.graph" "--emit=graph:forward=$graphs/$name.forward.graph" "$net" 2>/dev/null || continue
        [[ $net == "$nets"/* ]] || continue
        grep -v '^loss' "$graphs/$name.forward.graph" >"$nets/$name.graph"
        "$netc" -march=x86-64-v2 -O0 "--emit=loops=$loops/$name.plain.loops" "$nets/$name.graph"
        "$netc" -march=x86-64-v2 "--emit=loops=$loops/$name.loops" "$nets/$name.graph"
    done
    find "$graphs" "$loops" -size +15k -delete
}

# file_seeds: small files of each kind behind the letter that fuzz_files.c tells them by.
file_seeds() {
    local file letter out=build/fuzz/seeds/files
    mkdir -p "$out"
    for file in tests/data/book/*.safetensors tests/data/book/*.npy tests/data/pictures/*; do
        [[ -f $file ]] && (( $(stat -c %s "$file") < 10000 )) || continue
        letter=p
        [[ $file == *.safetensors ]] && letter=s
        [[ $file == *.npy ]] && letter=n
        { printf %s "$letter"; cat "$file"; } >"$out/$(basename "$file")"
    done
    printf 'i\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\2abcdefgh' >"$out/images"
    printf 'i\0\0\10\1\0\0\0\3\1\2\3' >"$out/labels"
    { printf i; printf '\0\0\10\1\0\0\0\3\1\2\3' | gzip -n; } >"$out/labels.gz"
    { printf c; head -c 6146 /dev/zero; } >"$out/cifar"
}

# measured_seeds: a table of --tune and a trainer's times, behind the letters that fuzz_measured.c tells them by.
measured_seeds() {
    local out=build/fuzz/seeds/measured machine='znver4 x86-64-v4'
    mkdir -p "$out"
    printf 't%s: forward 3x3 64->64 24x24 batch 128: tile 6\n\nx y: forward: tile 0\n%s: a: tile 4\n' "$machine" "$machine" >"$out/tuned"
    printf 'j{"peak_gflops": 80.5, "step_ms": 1e1, "batch": 4, "threads": 2, "more": [{"a": null}, true, false, []], "kernels": [{"name": "a", "ms": 0.5, "gflops": 3}]}\n' >"$out/times"
}

seeds() {
    mkdir -p build/fuzz/seeds/net
    case $1 in
        net)
            mkdir -p build/fuzz/nets
            one_layer_nets build/fuzz/nets
            for net in build/fuzz/nets/*.net examples/*.net examples/blocks/*.net tests/golden/*/*.net tests/data/nets/*/net.net; do
                (( $(stat -c %s "$net") > 4000 )) || cp "$net" "build/fuzz/seeds/net/$(tr / _ <<<"$net")"
            done ;;
        graph | loops) forms ;;
        files) file_seeds ;;
        measured) measured_seeds ;;
    esac
}

# The words of a harness's seeds, as libFuzzer's dictionary: those of several files, so that names made up in one do not count.
words_of() {
    grep -oaE '[A-Za-z_]{2,20}' -r "build/fuzz/seeds/$1" | sort -u | awk -F: '++seen[$2] == 2 { printf "\"%s\"\n", $2 }'
}

run_harness() {
    local name=$1 work=build/fuzz/corpus/$1 findings=build/fuzz/findings/$1 log=build/fuzz/$1.log status=0 words=()
    mkdir -p "$work" "$findings" "tests/fuzz/corpus/$name"
    seeds "$name"
    if [[ $name != files ]]; then
        words_of "$name" >"build/fuzz/$name.dict"
        words=("-dict=build/fuzz/$name.dict")
    fi
    say "fuzz_$name, $seconds s"
    "build/fuzz/fuzz_$name" "${limits[@]}" "${words[@]}" -max_total_time="$seconds" -max_len=16384 -artifact_prefix="$findings/" -print_final_stats=1 \
        "$work" "tests/fuzz/corpus/$name" "build/fuzz/seeds/$name" >"$log" 2>&1 || status=$?
    awk -v name="$name" -v status="$status" '
        /cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1); else if ($i == "ft:") ft = $(i + 1) }
        /^stat::number_of_executed_units/ { runs = $2 }
        /^stat::peak_rss_mb/ { peak = $2 }
        END { printf "fuzz_%s: %d executions, coverage %d edges, %d features, peak %d MiB, %s\n", name, runs, cov, ft, peak, status ? "FINDING" : "no finding" }' "$log"
    (( status == 0 )) || { grep -E -m 3 '^==|^SUMMARY|internal error|does not hold' "$log" || true; ls -t "$findings" | head -n 1; }
    return "$status"
}

# Replaces the corpus, but for findings, by what libFuzzer keeps of all inputs when the same code is to be reached with the smallest of
# them.
minimize_corpus() {
    local name=$1 to=tests/fuzz/corpus/$1 kept file size total=0
    kept=$(mktemp -d)
    mkdir -p "$to" "build/fuzz/corpus/$name"
    seeds "$name"
    say "the smallest corpus of fuzz_$name"
    "build/fuzz/fuzz_$name" "${limits[@]}" -set_cover_merge=1 -use_counters=0 -max_len=16384 "$kept" "$to" "build/fuzz/corpus/$name" "build/fuzz/seeds/$name" >"build/fuzz/$name.merge.log" 2>&1 ||
        die "build/fuzz/$name.merge.log says why the corpus cannot be made small"
    find "$to" -type f ! -name 'finding_*' -delete
    while read -r size file; do
        (( (total += size) <= corpus_bytes )) || break
        cp "$kept/$file" "$to"
    done < <(find "$kept" -type f -printf '%s %f\n' | sort -n)
    rm -r "$kept"
    echo "fuzz_$name: $(find "$to" -type f | wc -l) inputs, $(du -bs "$to" | cut -f 1) bytes"
}

failed=0
for name in "${harnesses[@]}"; do
    if $minimize; then minimize_corpus "$name"; else run_harness "$name" || failed=1; fi
done
exit "$failed"
