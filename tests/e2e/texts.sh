#!/usr/bin/env bash
# The printed forms are the program: compiling the text of the graph, or of the loops, gives the same object code as compiling the
# source; and what is printed from a text read back is that text.
source "$(dirname "$0")/lib.sh"

for source in "$root"/examples/lenet.net "$tests"/data/nets/{residual,grouped,max_pooled}/net.net; do
    echo "== $source"
    expect 0 "$NETC" -g0 "$source" --emit=graph=a.graph --emit=loops=a.loops --emit=obj=a.o --emit=llvm-ir=a.ll --emit=asm=a.s
    for file in a.graph a.loops a.ll a.s; do [[ -s $file ]] || fail "$file is missing or empty"; done
    expect 0 "$NETC" -g0 a.graph --emit=graph=b.graph --emit=obj=b.o
    same a.graph b.graph
    same a.o b.o
    expect 0 "$NETC" -g0 a.loops --emit=loops=c.loops --emit=obj=c.o
    same a.loops c.loops
    same a.o c.o
done

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

echo "== compiling twice gives the same bits"
"$NETC" "$root/examples/lenet.net" -o one
"$NETC" "$root/examples/lenet.net" -o two
same one two
