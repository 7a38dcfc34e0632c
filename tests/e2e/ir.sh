#!/usr/bin/env bash
# docs/ir.md tells the truth about the graph and the loops: it has every operator, word and pass, and netc reads its examples. And for every example and
# every optimisation less, what netc prints of both forms is what it prints again when it has read that.
source "$(dirname "$0")/lib.sh"
doc=$root/docs/ir.md

echo "== every operator of the graph, with its attributes"
# ops.def as "name attribute ...", what a type shows left out; attributes of an operator's base ("those of conv") count as its own
schema() { sed -n 's/^OP[A-Z_]*(\([a-z_]*\), [-0-9]*, "\([^"]*\)".*/\1 \2/p' "$root/compiler/ops.def" | sed 's/ shape:t[34]//; s/ *$//'; }
row() { grep -E "^\| \`$1(\(|\`)" "$doc"; } # row NAME
attributes_of() { # attributes_of NAME: as schema has them
    local cell
    cell=$(row "$1" | cut -d '|' -f 3)
    [[ $cell =~ those\ of\ ([a-z_]+) ]] && attributes_of "${BASH_REMATCH[1]}"
    grep -oE '`[^`]+`' <<<"$cell" | tr -d '`' || true
}
operators=0
while read -r name fields; do
    operators=$((operators + 1))
    row "$name" >row.txt || fail "no row for '$name'"
    said=$(attributes_of "$name" | tr '\n' ' ')
    [[ ${said% } == "$fields" ]] || fail "$name has the attributes '$fields', docs/ir.md says '${said% }'"
done < <(schema)
((operators > 60)) || fail "only $operators operators in ops.def"

echo "== every operator of the loops"
while read -r text; do
    grep -qF -e "| \`$text(a" -e "| \`a $text b\` |" "$doc" || fail "no row for '$text'"
done < <(sed -n 's/^EXPR([A-Z0-9_]*, "\([^"]*\)".*/\1/p' "$root/compiler/expr.def")

echo "== every word that the readers know, and every pass and output"
words=$(grep -hoE '(scan_accept|scan_expect|scan_is|at_word|key_number|parse_bounds)\([^"()]*"[a-z_]+"' "$root"/compiler/{graph,loop,model,scan}_text.c | grep -oE '[a-z_]+"$' | tr -d '"'
    grep -hE '^(static )?const char \*const [a-z_]+_names\[\]|^extern' "$root"/compiler/{loop_text,model}.c | grep -oE '"[a-z0-9_]+"' | tr -d '"'
    sed -n '/^static const Field fields/,/^};/s/^    {"\([a-z_0-9]*\)".*/\1/p' "$root/compiler/model_text.c")
(($(wc -l <<<"$words") > 80)) || fail "few words found: $words"
for word in $(sort -u <<<"$words"); do grep -qE "[\"\`]$word[\"\`]" "$doc" || fail "nothing about '$word'"; done
for pass in $("$NETC" --list-passes | cut -d ' ' -f 1); do grep -q "^|.*\`$pass\`" "$doc" || fail "no stage after '$pass'"; done
for kind in $(sed -n '/emit_names\[\]/s/[^"]*"\([a-z-]*\)"[^"]*/\1 /gp' "$root/compiler/options.c"); do grep -q -- "--emit=$kind" "$doc" || fail "no --emit=$kind"; done

echo "== its examples"
for form in graph loops; do
    sed -n "/^\`\`\`$form\$/,/^\`\`\`\$/p" "$doc" | grep -v '^```' >"doc.$form"
    expect 0 "$NETC" "doc.$form" --emit="${form/graph/graph:forward}=again.$form" --emit=obj=doc.o
    same "doc.$form" "again.$form"
done

# there_and_back OPTION... FILE
there_and_back() {
    expect 0 "$NETC" "$@" --emit=graph:forward=f.graph --emit=graph=a.graph --emit=loops=a.loops
    expect 0 "$NETC" f.graph --emit=graph:forward=g.graph
    same f.graph g.graph
    expect 0 "$NETC" a.graph --emit=graph=b.graph
    same a.graph b.graph
    expect 0 "$NETC" a.loops --emit=loops=b.loops
    same a.loops b.loops
}
echo "== every example there and back"
for source in "$root"/examples/*.net; do there_and_back "$source"; done
echo "== each optimisation less, none, and other lanes"
for option in $("$NETC" --help=optimizers | sed -n 's/^  \([a-z-]*\) .*/-fno-\1/p') -O0 -march=x86-64 -march=x86-64-v3 --target=aarch64-linux-gnu; do
    for source in "$root"/examples/{lenet,mobilenet_v1}.net; do there_and_back "$option" "$source"; done
done

echo "== what is printed after a pass reads back"
source=$root/examples/lenet.net
expect 0 "$NETC" "$source" --emit=loops=a.loops
for pass in elaborate differentiate algorithm; do
    expect 0 "$NETC" "$source" --stop-after=$pass --print-after=$pass
    grep -v '^; ' err.txt >x.graph
    expect 0 "$NETC" x.graph --emit=loops=b.loops
    same a.loops b.loops
done
