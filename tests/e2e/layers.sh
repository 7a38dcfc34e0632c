#!/usr/bin/env bash
# No arrow points up: a file includes headers of its own layer and of the layers above it only, generated code's runtime knows
# nothing of the compiler, and LLVM is met in four files. Every file of compiler/ must have its place here.
source "$(dirname "$0")/lib.sh"
cd "$root"

# One layer a line, the lowest first; a layer may use those before it. A name stands for its .h and .c, unless these have places of
# their own; `rules` are the files of ops/.
layers='
base map winograd tuned
diag_internal diag diag_print diag_json
nrt
model target
ast
parse
graph ops scan_text model_text graph_text graph_dot eval infer grad
loop loop_verify loop_text loop_alike stream_lines prefetch prefetch_spread prefetch_readings prefetch_sums prefetch_internal nest schedule schedule_choose schedule_internal cost
lower.h
rules phases channel_nest conv_nest linear_blocked
value layers elaborate elab elab_expr elab_call elab_train elab_unused elab_dead
plan algorithm rematerialize
lower_internal lower.c layout stream predict program
emit_parts emit_llvm emit_kernel emit_segment emit_debug emit_math emit_model emit_comment emit_internal link
timing html html_internal html_text html_graph html_code html_plan
tune pass options summary driver
main
'
layer_of() { # layer_of FILE: the number of its layer
    awk -v file="$1" -v name="${1%.*}" '{ for (i = 1; i <= NF; i++) if ($i == file || $i == name) { print NR; exit } }' <<<"$layers"
}

bad=0 seen=0
for file in $(find compiler grammar -name '*.[chly]'); do
    own=$(basename "$file")
    [[ $file == compiler/ops/* ]] && own=rules
    [[ $file == grammar/* ]] && own=parse
    own_layer=$(layer_of "$own")
    if [[ -z $own_layer ]]; then echo "$file has no layer: give it one in tests/e2e/layers.sh"; bad=1; continue; fi
    while read -r header; do
        name=$(basename "$header")
        [[ $name == net.tab.h || $name == net.lex.h ]] && name=parse
        layer=$(layer_of "$name")
        seen=$((seen + 1))
        if [[ -z $layer ]]; then echo "$file includes $header, which has no layer"; bad=1
        elif ((layer > own_layer)); then echo "$file (layer of $own) includes $header, which lies below it"; bad=1; fi
    done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file" | grep -v '\.def$')
    if grep -q 'include[[:space:]]*<llvm-c/' "$file"; then
        case ${file#compiler/} in
            emit_*|target.*) ;;
            *) echo "$file includes LLVM's headers"; bad=1 ;;
        esac
    fi
done
for file in runtime/*.[ch]; do
    if grep -nE '#[[:space:]]*include.*compiler/' "$file"; then echo "$file includes a header of the compiler"; bad=1; fi
done
((seen > 50)) || fail "only $seen includes found"
((bad == 0)) || fail "the arrows above"
echo "$seen includes, none points up"
