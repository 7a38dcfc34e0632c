#!/usr/bin/env bash
# Debug information: every kernel's code leads to the lines of its layers and through the calls of blocks around them, in each of the modules that
# are made side by side; gdb stops at a line of an imported file and walks back through the calls; -g changes no instruction.
source "$(dirname "$0")/lib.sh"

mkdir blocks
cat >blocks/residual.net <<'END'
block residual(channels: int) {
    skip = it -> conv(channels, 1)
    conv(channels, 3, pad=1) -> relu
    conv(channels, 3, pad=1)
    it + skip -> relu
}

block stage(n: int, channels: int) {
    repeat n { residual(channels) }
    max_pool(2)
}
END
cat >net.net <<'END'
import "blocks/residual.net"
network net(1, 8, 8) -> 10 {
    conv(4, 3, pad=1) -> relu
    stage(2, 8)
    flatten
    linear(10)
}
train { batch = 32; data = synthetic() }
END

# places EXECUTABLE: where each row of the network's line tables leads, as a backtrace in a line: FUNCTION FILE:LINE < CALLER FILE:LINE < ...
places() {
    llvm-dwarfdump-19 --debug-line "$1" | awk '/^debug_line/ { ours = 0 } /"net\.net"/ { ours = 1 } ours && /^0x/ && !/end_sequence/ { print $1 }' | sort -u |
        llvm-symbolizer-19 --basenames --obj="$1" | awk '
            NF == 0 { if (chain != "") print chain; chain = ""; n = 0; next }
            n++ % 2 == 0 { name = $0; next }
            { sub(/:[0-9]+$/, ""); chain = chain (chain == "" ? "" : " < ") name " " $0 }' | sort -u
}

# leads FILE BACKTRACE: is that one of the places in FILE?
leads() { grep -Fxq -- "$2" "$1" || { cat "$1"; fail "no code of $1 leads to: $2"; }; }

if command -v llvm-dwarfdump-19 >/dev/null && command -v llvm-symbolizer-19 >/dev/null; then
    echo "== each kernel leads to the lines of its layers, and through the calls to the network"
    expect 0 "$NETC" -fno-share net.net -o net
    expect 0 "$NETC" net.net --emit=obj=net.o
    expect 0 llvm-dwarfdump-19 --verify net.o
    modules=$(llvm-dwarfdump-19 --debug-info net | grep -c 'DW_AT_producer.*("netc")')
    ((modules > 1)) || fail "the code is in $modules module: there should be several, each with its own debug information"
    places net >places.txt
    for block in 1 2; do
        within="stage(2, 8) residual.net:9 < net.stage1.residual$block"
        for pass in forward forward.infer backward_data backward_weights update; do
            leads places.txt "residual(8) residual.net:3 < $within.conv2.$pass net.net:4"
        done
        leads places.txt "residual(8) residual.net:4 < $within.conv3.forward net.net:4"
        leads places.txt "residual(8) residual.net:5 < $within.conv3.forward net.net:4" # the addition, fused
    done
    leads places.txt "net.stage1.residual1.conv2.forward net.net:4" # where it begins
    for pass in forward forward.infer backward_data backward_weights update; do leads places.txt "net.linear1.$pass net.net:6"; done
    leads places.txt "net.step net.net:2"
    ! grep -E '^residual\(8\) .* < net\.(conv1|linear1|loss)' places.txt || fail "what stands outside of blocks leads into one"

    echo "== kernels alike: the body that they share tells of no call, their own functions do"
    for march in x86-64-v3 x86-64-v4; do # their kernels differ: squares of rows are turned in other ones
        expect 0 "$NETC" -march=$march net.net -o shared
        places shared >shared.txt
        grep -q '^net\.stage1\.residual[12]\.conv[23]\.forward\.and_alike residual.net:[34]$' shared.txt || fail "$march: no body is shared"
        ! grep 'and_alike' shared.txt | grep ' < ' || fail "$march: a body that several calls share is said to be in one"
        for block in 1 2; do
            leads shared.txt "residual(8) residual.net:4 < stage(2, 8) residual.net:9 < net.stage1.residual$block.conv3.forward net.net:4"
        done
    done
else
    leave_out "line tables and calls: needs llvm-dwarfdump-19 and llvm-symbolizer-19"
fi

echo "== the texts of graph and loops say all of this, and need no source"
expect 0 "$NETC" net.net --emit=graph=net.graph --emit=loops=net.loops --emit=llvm-ir=net.ll
mkdir away
for form in graph loops; do
    (cd away && "$NETC" "../net.$form" --emit=llvm-ir=found.ll)
    sed -i "s|directory: \"$PWD/away\"|directory: \"$PWD\"|" away/found.ll
    same net.ll away/found.ll
done
grep -q 'inlinedAt' net.ll || fail "LLVM's text knows of no call"

echo "== -g changes no instruction"
for g in -g -g0; do
    expect 0 "$NETC" "$g" "$root/examples/lenet.net" -o "lenet$g"
    objcopy -O binary -j .text "lenet$g" "text$g"
done
same text-g text-g0
! objdump -h lenet-g0 | grep -q '\.debug_' || fail "-g0 leaves debug information in the trainer"

command -v gdb >/dev/null || { leave_out "breakpoints and backtraces: needs gdb"; exit 0; }
# in_gdb PROGRAM COMMAND...: what gdb says to the commands, one step of training being run by `run`.
in_gdb() {
    local program=$1 command words=()
    shift
    for command; do words+=(-ex "$command"); done
    timeout 60 gdb -nx -q -batch -ex 'set width 0' -ex 'set breakpoint pending off' -ex 'set startup-with-shell off' \
        -ex "set args train --max-steps 1 --threads 1 --quiet --no-test --out run" "${words[@]}" "$program" >gdb.txt 2>&1 </dev/null || true
    ! grep -Eqi 'ptrace|cannot trace|not permitted' gdb.txt || { cat gdb.txt; leave_out "breakpoints and backtraces: no process may be traced here"; exit 0; }
}
# says REGEX...: gdb has said these, in this order.
says() {
    local from=1 at
    for line; do
        at=$(tail -n "+$from" gdb.txt | grep -nE -m 1 -- "$line" | cut -d : -f 1) || true
        [[ $at ]] || { cat gdb.txt; fail "gdb does not say, in its place: $line"; }
        from=$((from + at))
    done
}

echo "== gdb stops at a line of an imported file, and walks back through the calls"
expect 0 "$NETC" -fno-share net.net -o net
in_gdb net 'tbreak residual.net:4' run bt
says 'hit Temporary breakpoint' '^4[[:space:]]+conv\(channels, 3, pad=1\)$' \
    '^#0 .*residual\(8\) \(\) at .*blocks/residual\.net:4$' '^#1 .*stage\(2, 8\) \(\) at .*blocks/residual\.net:9$' \
    '^#2 .*net\.stage1\.residual1\.conv3\.forward \(\) at .*net\.net:4$' '^#3 .*net\.step\.segment1 \(\) at .*net\.net:2$' '(^#[0-9]+| in) +main \('

echo "== a kernel begins at the network's line; functions are found by layer and pass"
in_gdb net 'info functions residual2.conv2' 'break net.stage1.residual2.conv2.backward_weights' run bt
says 'net\.stage1\.residual2\.conv2\.backward_data\(\);' 'net\.stage1\.residual2\.conv2\.backward_weights\(\);' 'net\.stage1\.residual2\.conv2\.forward\(\);' \
    'net\.stage1\.residual2\.conv2\.update\(\);' 'hit Breakpoint' '^4[[:space:]]+stage\(2, 8\)$' '^#0 .*conv2\.backward_weights \(\) at .*net\.net:4$'

echo "== lenet.net:8"
expect 0 "$NETC" -D 'train.data=synthetic()' "$root/examples/lenet.net" -o lenet
in_gdb lenet 'tbreak lenet.net:8' run bt
says 'hit Temporary breakpoint' '^8[[:space:]]+conv\(6, 5, pad=2\) -> sigmoid' '^#0 .*lenet\.conv1\.forward.* \(\) at .*examples/lenet\.net:8$' 'lenet\.step \(\) at .*lenet\.net:7$'
