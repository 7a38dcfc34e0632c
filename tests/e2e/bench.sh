#!/usr/bin/env bash
# The programs of bench/, at their smallest: each prints its tables, whose numbers are numbers and fit together. What they measure here says
# nothing; PyTorch is left out, and what is made of its figures is tested on made-up ones.
source "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null || skip "needs python3"
export PYTHONDONTWRITEBYTECODE=1
bench=$root/bench
small=(--rounds 1 --steps 1 --seconds 0 --netc "$NETC")

# rows FILE: the rows of its tables, a line each: `head=cell` for each column, behind tabs.
rows() {
    awk -F ' *[|] *' '
        !/^\|/ { head = 0; next }
        /^\|-/ { next }
        !head { head = NF; for (i = 2; i < NF; i++) name[i] = $i; next }
        NF != head { print "a row of " NF " cells below " head; next }
        { for (i = 2; i < NF; i++) printf "\t%s=%s", name[i], $i; print "" }' "$1"
}

# good_tables FILE COUNT: it has this many rows, and every figure in them is a number; times and rates are above zero.
good_tables() {
    rows "$1" >rows.txt
    [[ $(wc -l <rows.txt) == "$2" ]] || fail "$(wc -l <rows.txt) rows, wanted $2"
    awk -F '\t' '
        function bad(cell) { printf "FAIL: %s in:%s\n", cell, $0; wrong = 1 }
        NF < 5 { bad("too few cells") }
        { for (i = 2; i <= NF; i++) {
            split($i, part, "=")
            if (part[2] == "-" || part[1] ~ /^(network|shape|pass|march|.*kernel and tile|PyTorch .*)$/) continue
            if (part[2] !~ /^[0-9]+(\.[0-9]+)?([ %x]|$)/) bad($i)
            if (part[1] ~ /(^|: )(ms|images\/s|GFLOP\/s)$/ && part[2] + 0 <= 0) bad($i) } }
        END { exit wrong }' rows.txt || fail "the tables of $1"
}

# work_is ROW MFLOP: in rows.txt's row, milliseconds times GFLOP/s is this, as far as three digits tell.
work_is() {
    sed -n "${1}p" rows.txt | awk -F '\t' -v wanted="$2" '
        { for (i = 2; i <= NF; i++) { split($i, part, "="); if (!(part[1] in at)) at[part[1]] = part[2] }
          work = at["ms"] * at["GFLOP/s"]; printf "%.4g Mflop, wanted %s\n", work, wanted
          exit !(work > 0.98 * wanted && work < 1.02 * wanted) }' || fail "row $1: ms and GFLOP/s do not fit: $(sed -n "${1}p" rows.txt)"
}

echo "$SECONDS == bench.py"
expect 0 "$bench/bench.py" lenet "${small[@]}" --no-torch --out copy.md
good_tables out.txt 2
work_is 1 "$(awk 'BEGIN { print 128 * 2.26392 }')" # a training step, then an inference, of 128 pictures
work_is 2 "$(awk 'BEGIN { print 128 * 0.83304 }')"
cmp <(head -n -1 out.txt) copy.md || fail "--out holds something else"
expect 2 "$bench/bench.py" lenett "${small[@]}"
grep -q 'lenett.*lenet, ' err.txt || fail "an unknown network is not told: $(<err.txt)"

expect 2 "$bench/bench.py" linear --seconds nan
grep -q 'nan is not allowed' err.txt || fail "--seconds nan: $(<err.txt)"
expect 2 "$bench/scaling.py" batch area --points 1
for net in "$root"/examples/*.net; do basename "$net" .net; done | sort >examples.txt
python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import common; print("\n".join(sorted(common.NETWORKS)))' "$bench" | diff examples.txt - ||
    fail "bench.py knows other networks than examples/ has"
rm examples.txt

echo "$SECONDS == bench.py --into"
printf 'before\n<!-- bench.py: begin -->\nold\n<!-- bench.py: end -->\nbehind\n' >page.md
for batch in 16 8; do
    expect 0 "$bench/bench.py" linear "${small[@]}" --no-torch --only forward --batch "$batch" --into page.md
    diff <(sed '/begin -->/,/end -->/d' page.md) <(printf 'before\nbehind\n') || fail "--into writes outside of its marks"
    diff <(sed '1,/begin -->/d; /end -->/,$d' page.md) <(head -n -1 out.txt) || fail "--into writes something else"
done
good_tables page.md 1
only_these . copy.md err.txt out.txt page.md rows.txt
sed -i /begin/d page.md
cp page.md unmarked.md
printf '<!-- bench.py: end -->\n<!-- bench.py: begin -->\n' >reversed.md
printf '<!-- bench.py: begin -->\n<!-- bench.py: end -->\n%.0s' 1 2 >twice.md
for page in unmarked.md reversed.md twice.md missing.md; do
    expect 1 "$bench/bench.py" linear --netc /nowhere/netc --no-torch --into "$page" # told before anything is compiled
    grep -q "$page: " err.txt || fail "$page: $(<err.txt)"
done
same page.md unmarked.md
grep -qx '<!-- bench.py: begin -->' "$root/README.md" || fail "README.md has no place for the tables"

echo "$SECONDS == building and failing"
expect 1 "$bench/bench.py" linear --no-torch --netc /nowhere/netc
grep -q 'error: /nowhere/netc: ' err.txt || fail "no message for a compiler that is not there: $(<err.txt)"
mkdir bin
cat >bin/cmake <<'END'
#!/bin/sh
echo "$PWD: $*" >>"$BUILT"
[ "$1" != --build ]
END
chmod +x bin/cmake
expect 1 env BUILT="$work/built.txt" PATH="$work/bin:$PATH" "$bench/bench.py" linear --no-torch
diff built.txt - <<<"$root: --preset release"$'\n'"$root: --build --preset release" || fail "netc is not built by itself"
grep -q 'exit code 1: cmake --build' err.txt || fail "a build that fails is not told: $(<err.txt)"

echo "$SECONDS == what is made of PyTorch's figures"
python3 - "$bench" <<'END' || fail "bench.py's row"
import sys
sys.path.insert(0, sys.argv[1])
import bench
ours = [{"step_ms": 2, "gflops": 30, "peak_gflops": 100, "peak_rss_bytes": 5e6},
        {"step_ms": 2, "gflops": 50, "peak_gflops": 100, "peak_rss_bytes": 7e6}]
theirs = {"eager": [{"step_ms": 4, "peak_rss_bytes": 1e8}, {"step_ms": 6, "peak_rss_bytes": 2e8}],
          "channels_last": [{"step_ms": 9, "peak_rss_bytes": 1e8}, {"step_ms": 9, "peak_rss_bytes": 1e8}],
          "compile": [{"step_ms": 1, "peak_rss_bytes": 1e8}, None]}
row = dict(zip(bench.HEAD, bench.row("x", 128, [0.5, 0.7], ours, theirs)))
wanted = {"network": "x", "images/s": "64000 ± 0", "ms": "2.00 ± 0.00", "GFLOP/s": "40.0 ± 10.0", "share of peak": "40 ± 10%", "memory": "7 MB",
          "compiled in": "0.6 ± 0.1 s", "PyTorch images/s": "26667 ± 5333 (eager)", "its ms": "5.00 ± 1.00", "its memory": "200 MB", "ratio": "**2.5 ± 0.5x**"}
assert row == wanted, row
END

echo "$SECONDS == kernels.py"
expect 0 "$bench/kernels.py" conv:4:6:8:3 conv:8:8:6:3:2:4 linear:8:12 conv:32:32:12:3 "${small[@]}" --batch 16
good_tables out.txt 12
for row in 1 2 3; do
    work_is $row "$(awk 'BEGIN { print 16 * 2 * 4 * 6 * 8 * 8 * 9 * 1e-6 }')"
    work_is $((row + 3)) "$(awk 'BEGIN { print 16 * 2 * 8 * 2 * 3 * 3 * 9 * 1e-6 }')"
    work_is $((row + 6)) "$(awk 'BEGIN { print 16 * 2 * 8 * 12 * 1e-6 }')"
done
[[ $(grep -c 'conv:32:32.*kernel and tile=winograd_.*-fno-winograd: ms=[0-9].*kernel and tile=conv' rows.txt) == 3 ]] ||
    fail "Winograd's way and the direct one do not stand side by side: $(<rows.txt)"
expect 0 "$bench/kernels.py" --list
python3 - "$bench" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import kernels
for number, shape in enumerate(kernels.read_shapes(kernels.SHAPES)):
    with open(f"shape{number}.net", "w") as out:
        out.write(shape.source)
END
shapes=(shape*.net)
((${#shapes[@]} == $(wc -l <out.txt))) || fail "--list tells of other shapes than there are"
for shape in "${shapes[@]}"; do expect 0 "$NETC" --check "$shape"; done
for wrong in conv:1:2 conv:1:2:3:0 linear:1:2:3 pool:2:2 nothing; do
    expect 1 "$bench/kernels.py" "$wrong" "${small[@]}"
    grep -q "$wrong" err.txt || fail "$wrong: $(<err.txt)"
done

echo "$SECONDS == scaling.py"
for axis in batch area depth; do
    expect 0 "$bench/scaling.py" "$axis" --points 2,4 "${small[@]}" --batch 4 --option=-D --option=width=4
    good_tables out.txt 2
    grep -q 'of linear=1.00' rows.txt || fail "$axis: the first row is not in proportion to itself"
done
expect 0 "$bench/scaling.py" threads --network linear,lenet "${small[@]}"
good_tables out.txt 4
if [[ $(uname -m) == x86_64 ]] && grep -qw avx2 /proc/cpuinfo; then
    expect 0 "$bench/scaling.py" march --network lenet "${small[@]}"
    good_tables out.txt 2
    grep -q 'march=x86-64-v3' rows.txt || fail "march does not measure x86-64-v3"
else
    leave_out "scaling.py march needs AVX2"
fi
