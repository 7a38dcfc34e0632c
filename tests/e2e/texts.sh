#!/usr/bin/env bash
# The printed forms are the program: compiling the text of the graph, or of the loops, gives the same object, line tables included, as compiling
# the source, which need not be there any more; and what is printed from a text read back is that text.
source "$(dirname "$0")/lib.sh"

for source in "$root"/examples/lenet.net "$tests"/data/nets/{residual,grouped,max_pooled}/net.net; do
    echo "== $source"
    cp "$source" gone.net
    expect 0 "$NETC" gone.net --emit=graph=a.graph --emit=loops=a.loops --emit=obj=a.o --emit=llvm-ir=a.ll --emit=asm=a.s
    for file in a.graph a.loops a.ll a.s; do [[ -s $file ]] || fail "$file is missing or empty"; done
    rm gone.net
    expect 0 "$NETC" a.graph --emit=graph=b.graph --emit=obj=b.o
    same a.graph b.graph
    same a.o b.o
    expect 0 "$NETC" a.loops --emit=loops=c.loops --emit=obj=c.o
    same a.loops c.loops
    same a.o c.o
done

echo "== LLVM's text says what its functions and loops are"
expect 0 "$NETC" -march=x86-64-v3 -fno-winograd "$root/examples/lenet.net" --emit=llvm-ir=a.ll
grep -q '^; ---- conv2\.forward: conv2 (conv, 16x10x10), forward, .*lenet\.net:10:5$' a.ll || fail "no head of conv2's kernel"
grep -A 1 '^; conv2\.forward: for r[0-9]* = 0 \.\. 5 (innermost; unrolled: .* a turn: [0-9]* fma, [0-9]* load)$' a.ll | grep -q '^r[0-9]*\.loop: ' || fail "no inner loop of conv2"

echo "== results that are read late go past the caches, and the texts say so"
source=three_blocks.net # the first of slim VGG-11, whose maps are the large ones
cat >$source <<'END'
import "blocks/vgg.net"
network three_blocks(1, 224, 224) -> 10 {
    vgg_block(1, 16)
    vgg_block(1, 32)
    vgg_block(2, 64)
    max_pool(4) -> flatten -> linear(10)
}
train { batch = 128 }
END
expect 0 "$NETC" -I "$root/examples" -march=x86-64-v4 "$source" --emit=loops=a.loops --emit=asm=a.s
grep -q ' <- ' a.loops || fail "no store is streamed"
grep -q 'vmovntps.*zmm' a.s || fail "no store goes past the caches"
(($(grep -c sfence a.s) > 5)) || fail "kernels do not wait for such stores"
expect 0 "$NETC" a.loops --emit=loops=c.loops
same a.loops c.loops
expect 0 "$NETC" -I "$root/examples" -march=x86-64-v4 -fno-stream "$source" --emit=asm=a.s
! grep -Eq 'vmovnt|sfence' a.s || fail "-fno-stream streams"
expect 0 "$NETC" -I "$root/examples" -march=x86-64-v3 "$source" --emit=asm=a.s
grep -q 'vmovntps.*ymm' a.s || fail "no pair of vectors that fills a line goes past the caches"
expect 0 "$NETC" -march=x86-64-v3 "$root/examples/vgg11.net" --emit=loops=a.loops
grep -Eq '^ +vgg_block3\.relu2\.relu_grad\[.*\] <- ' a.loops || fail "no pair of vectors that fills a line is streamed"
grep -Eq '^ +vgg_block4\.conv2\.winograd_data[.0-9]*\[.*10\*th[0-9]+ \+ 2\*tw[0-9]+ \+ 1, l[0-9]+\] <- ' a.loops || fail "no pairs of tiles are streamed"
grep -Eq '^ +vgg_block4\.conv2\.winograd_data[.0-9]*\[.*, 24, l[0-9]+\] = ' a.loops || fail "the last of 5 x 5 tiles is not stored as usual"
! grep -Eq '^ +vgg_block4\.conv2\.winograd_data[.0-9]*\[.*, 24, l[0-9]+\] <- ' a.loops || fail "half a line, of the last of 5 x 5 tiles, is streamed"
expect 0 "$NETC" -march=x86-64-v3 "$root/examples/resnet18.net" --emit=loops=a.loops
for tiles in stage1.residual2.conv2.winograd_data stage1.residual2.conv2.winograd_gradient stage3.residual2.conv2.winograd_data; do # tiles of a row side by side, and of two channels
    grep -Eq "^ +${tiles//./\\.}[.0-9]*\[.*\] <- " a.loops || fail "$tiles: no tiles side by side are streamed"
done

echo "== what is written from front to end does so later: the gradient of the stem's batch norm is read by the next kernel, 20 MB touched further"
expect 0 "$NETC" -march=x86-64-v4 "$root/examples/resnet18.net" --emit=loops=a.loops
grep -Eq '^ +batch_norm1\.batch_norm_dx\[.*\] = ' a.loops || fail "the gradient is not stored as usual"
! grep -Eq '^ +batch_norm1\.batch_norm_dx\[.*\] <- ' a.loops || fail "the gradient is streamed"
grep -Eq '^ +stage3\.residual2\.conv2\.winograd_data\[.*\] <- ' a.loops || fail "tiles are not streamed"

echo "== phases of a gradient with steps go through groups and rows together: a line of memory has points of several"
cat >phases.net <<'END'
network phases(8, 24, 24) -> 10 {
    conv(16, 3, pad=1) -> relu
    conv(16, 3, stride=2, pad=1, groups=4) -> relu
    conv(16, 3, pad=1) -> relu -> max_pool(3, stride=2, pad=1)
    flatten -> linear(10)
}
train { batch = 16; loss = cross_entropy; data = arrays(inputs="x.npy", targets="y.npy") }
END
expect 0 "$NETC" phases.net --emit=loops=a.loops
for kernel in conv_dx max_pool_grad; do
    awk -v is="\"$kernel;" '$1 == "kernel" { in_it = index($0, is) } in_it' a.loops >kernel.txt
    rows=$(grep -Ec '^ +for h[0-9]+ = ' kernel.txt || true) phases=$(grep -Ec '^ +for w[0-9]+ = ' kernel.txt || true)
    [[ "$rows $phases" == '1 4' ]] || fail "$kernel: $rows loops over rows and $phases over columns; 1 and 4 are expected"
done

echo "== what a tile adds to a batch norm's statistics is stored once, and one of its points is asked whether it is the picture's first"
cat >statistics.net <<'END'
network statistics(32, 8, 8) -> 10 {
    conv(24, 1) -> batch_norm -> relu
    flatten -> linear(10)
}
train { batch = 8; data = synthetic }
END
expect 0 "$NETC" -march=x86-64-v3 statistics.net --emit=asm=a.s
awk '/^statistics\.conv1\.forward:$/ { inside = 1 } /^\.Lfunc_end/ { inside = 0 } inside' a.s >kernel.txt
first=$(grep -c vblendv kernel.txt || true) stores=$(grep -Ec 'vmov[a-z]+[[:space:]]+%ymm[0-9]+, *-?[0-9]*\(%r[^s]' kernel.txt || true)
[[ $first == 6 ]] || fail "$first choices in the kernel of tiles of 6 channels by 2 points; 6 are expected"
((stores < 2 * 6 + 2 * 3 * 6)) || fail "$stores vectors are stored by a tile of 12 results and what it adds to 3 numbers of 6 channels"

echo "== a stop, and a look at shapes only, leave what was made until then"
source=$root/examples/linear.net
expect 0 "$NETC" "$source" --emit=loops=all.loops --emit=llvm-ir=all.ll
expect 0 "$NETC" "$source" --stop-after=lower --emit=loops=stopped.loops --emit=llvm-ir=none.ll
same all.loops stopped.loops
[[ ! -e none.ll ]] || fail "--stop-after=lower did not stop"
expect 0 "$NETC" "$source" --stop-after=emit --emit=llvm-ir=stopped.ll
same all.ll stopped.ll
expect 0 "$NETC" "$source" --check --time-passes
grep -q '^elaborate ' err.txt || fail "--time-passes leaves out the last pass of --check"

echo "== code generation is a pass of outputs, too"
expect 0 "$NETC" "$source" --emit=asm=a.s --print-after=codegen --time-passes
grep -q '^codegen ' err.txt || fail "--time-passes leaves out what --emit=asm takes"
{ echo '; asm after codegen'; cat a.s; } | cmp - <(sed '/^pass .* share$/,$d' err.txt) || fail "--print-after=codegen does not print the assembly"

echo "== compiling twice, the second time from a text, gives the same trainer"
"$NETC" "$root/examples/lenet.net" --emit=exe=one --emit=loops=one.loops
"$NETC" one.loops -o two
same one two
"$NETC" "$root/examples/resnet18.net" --emit=exe=one --emit=graph=one.graph # so much code that all threads ask for places of the source at once
"$NETC" one.graph -o two
same one two
"$NETC" -v "$root/examples/lenet.net" -o two 2>command.txt
grep -q 'model\.o .*model1\.o .*model2\.o .*model3\.o ' command.txt || fail "the code was not made in parts"
"$NETC" --print-after=emit -v "$root/examples/lenet.net" -o two 2>command.txt
! grep -q 'model1\.o ' command.txt || fail "who looks at the module wants it whole"

echo "== what runs across the batch may compute images that are not there, and so keeps away from the caller's arrays"
train='train { batch = 64; loss = squared_error; data = arrays(inputs="x.npy", targets="y.npy") }'
across() { grep -Eq '^ +linear1\.forward +[0-9]+ flop +[0-9]+ B +[0-9]+ slots +[0-9]+ items' "$1"; } # across PLAN: does linear1 run across the batch?
printf 'network n(1600) -> 3 { linear(1100); linear(3) }\n%s\n' "$train" >inside.net
expect 0 "$NETC" inside.net --emit=plan=inside.plan
across inside.plan || fail "a linear layer with 7 MB of weights does not run across the batch"
printf 'network n(1600) -> 1100 { linear(1100, bias=false) }\n%s\n' "$train" >last.net
expect 0 "$NETC" last.net --emit=plan=last.plan --emit=graph:forward=last.graph
grep -q 'linear1\.forward' last.plan || fail "no linear1 in the plan"
if across last.plan; then fail "the network's output is computed across the batch"; fi
sed -e '1s/Nx1100/Nx1x1100x1/' -e 's/^\(%[0-9]*\): Nx1100 = linear.*/&\n%9: Nx1x1100x1 = reshape(\1)/' -e 's/Nx1100 = target/Nx1x1100x1 = target/' \
    -e 's/sq_err(%[0-9]*,/sq_err(%9,/' -e 's/^output .*/output %9/' last.graph >shaped.graph
expect 0 "$NETC" shaped.graph --emit=plan=shaped.plan
grep -q 'linear1\.forward' shaped.plan || fail "no linear1 in the plan"
if across shaped.plan; then fail "the network's output, in another shape, is computed across the batch"; fi
sed 's/^\(%[0-9]*\): \(Nx1100\) = linear.*/&\n%8: Nx1100 = target @loss\n%9: Nx1100 = mul(\1, %8)\n%10: Nx1100 = relu(%9)/; s/sq_err(%[0-9]*, %[0-9]*)/sq_err(%10, %8)/
    s/^output .*/output %10/; /%2: Nx1100 = target/d' last.graph >target.graph
expect 0 "$NETC" target.graph --emit=loops=target.loops
if awk '/^kernel/ { name = $2; across = 0 } /min\([0-9]+, blocks\)/ { across = 1 } across && /target\[/ { print name; found = 1 } END { exit !found }' target.loops; then
    fail "the kernel above reads the targets across the batch"
fi
