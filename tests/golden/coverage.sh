#!/bin/bash
# Every message that netc can say is said in some golden test: takes the texts that the compiler's sources hand to the functions
# that report, makes patterns of them (what printf fills in may be anything), and looks for each in the .expect files.
#
#     coverage.sh [--list]      --list: all patterns, the covered ones too
#
# What is wrong with the text forms of later stages is said in unit tests as well, tables of faults with a part of the message: for
# those forms that counts, too. Messages that no test can bring about stand in coverage.known, each with its reason; one that is
# covered all the same must leave it.
set -u
list=false
[ "${1:-}" = --list ] && list=true
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
export LC_ALL=C

# The functions that report: the words behind ( are theirs. What the rules of layers and operators return becomes a message, too.
reporters='diag_error|diag_warning|diag_note|diag_help|elab_error|elab_fail|scan_error|scan_unexpected|scan_choice|fail|give_up|unknown|unknown_of|dims_type|WRONG'
rules='arena_printf|BINARY_SHAPE|return'
rule_files='compiler/ops/.*|compiler/(ops|layers|target|grad)\.c'
# Of the text forms and their verifiers.
forms='compiler/(graph|graph_text|loop_text|loop_verify|model_text|scan_text|ops|ops/[a-z_]*)[.]c'
# Others with a format of printf: they make text that is no message, or one that only a bug of ours can bring about.
silent='text_printf|arena_printf|base_bug|emit_text|print_line'

unlisted=$(grep -rhoE '\w+\([^;]*format\(printf' compiler | grep -oE '^\w+' | grep -vxE "$reporters|$silent" | sort -u)
if [ -n "$unlisted" ]; then
    echo "FAILED: with a format of printf, but neither a reporter nor silent (coverage.sh): $unlisted"
    exit 1
fi

# FILE:LINE<tab>literal, a line each: the string literals of calls of reporters.
literals() {
    # shellcheck disable=SC2016
    awk -v reporters="$reporters" -v rules="$rules" -v rule_files="^($rule_files)\$" '
    FNR == 1 { depth = 0; literal = ""; commented = 0; words = "(^|[^A-Za-z0-9_])(" reporters (FILENAME ~ rule_files ? "|" rules : "") ")( \"|\\()" }
    function flush() { if (literal != "") print at "\t" literal; literal = "" }
    {
        line = $0
        while (1) {
            if (commented) { # to the end of the comment
                if (!(i = index(line, "*/"))) break
                line = substr(line, i + 2)
                commented = 0
            }
            if (!depth) { # to the next call of a reporter
                if (!match(line, words)) break
                start = substr(line, RSTART, RLENGTH)
                line = substr(line, RSTART + RLENGTH)
                depth = 1
                returns = start ~ /"$/
                if (returns) line = "\"" line
            }
            if (!match(line, /"([^"\\]|\\.)*"|\047([^\047\\]|\\.)+\047|[();]|\/\*|[^ \t]/)) break
            token = substr(line, RSTART, RLENGTH)
            line = substr(line, RSTART + RLENGTH)
            if (token == "/*") { commented = 1; continue }
            if (token ~ /^".*"$/ && length(token) > 1) {
                if (literal == "") at = FILENAME ":" FNR
                literal = literal substr(token, 2, length(token) - 2)
                continue
            }
            flush()
            if (token == "(") depth++
            if (token == ")" && !returns) depth--
            if (token == ";") depth = 0
        }
    }' "$@"
}

unit_texts() { grep -hoE '"([^"\\]|\\.)*"' tests/unit/test_graph.c tests/unit/test_loop.c | sed 's/^"//; s/"$//'; }

# Reads those and prints FILE:LINE<tab>literal for each that no line of the golden files holds.
uncovered() {
    # shellcheck disable=SC2016
    awk -F '\t' -v list="$list" -v forms="^($forms):" '
    function chunk(s,   part, n, best, i) { # the longest stretch without conversions
        n = split(s, part, /%[-0-9.*]*[lzh]*[a-z]/)
        best = ""
        for (i = 1; i <= n; i++) if (length(part[i]) > length(best)) best = part[i]
        return best
    }
    function in_unit_tests(s,   c, i) {
        c = chunk(s)
        for (i = 1; i <= units; i++)
            if (index(s, unit[i]) || (length(c) > 9 && index(unit[i], c))) return 1
        return 0
    }
    function pattern(s,   out, c, i) {
        out = ""
        for (i = 1; i <= length(s); i++) {
            c = substr(s, i, 1)
            if (c == "%" && substr(s, i + 1, 1) == "%") { out = out "%"; i++ }
            else if (c == "%") { # up to the letter of the conversion
                while (++i <= length(s) && substr(s, i, 1) !~ /[a-zA-Z]/) ;
                while (substr(s, i, 1) ~ /[lzh]/) i++
                out = out ".*"
            } else if (c == "\\") { i++; out = out (substr(s, i, 1) == "\\" ? "\\\\" : substr(s, i, 1)) }
            else if (c ~ /[][.*+?(){}|^$]/) out = out (c == "^" ? "\\^" : "[" c "]")
            else out = out c
        }
        return out
    }
    kind == "unit" { if (length($0) > 5 && / /) unit[++units] = $0; next }
    kind == "golden" { if ($0 ~ /(error|warning|note|help):|"message":/) message[++n] = $0; next }
    {
        letters = $2
        gsub(/%[-0-9.*]*[lzh]*[a-z]/, "", letters)
        gsub(/[^a-zA-Z]/, "", letters)
        if (length(letters) < 4 || $2 !~ / /) next # names and single words, not messages
        p = pattern($2)
        for (i = 1; i <= n && message[i] !~ p; i++) ;
        if (i > n && !($1 ~ forms && in_unit_tests($2))) print $1 "\t" $2
        else if (list == "true") print "covered\t" $1 "\t" $2 > "/dev/stderr"
    }' kind=golden <(cat tests/golden/*/*.expect) kind=unit <(unit_texts) kind=sources -
}

mapfile -t sources < <(ls compiler/*.c compiler/ops/*.c grammar/net.l grammar/net.y)
missing=$(literals "${sources[@]}" | uncovered)
known=$(grep -v '^#' tests/golden/coverage.known | cut -f 1)
failed=0
while IFS=$'\t' read -r place text; do
    [ -n "$text" ] || continue
    grep -qxF -- "$text" <<<"$known" && continue
    echo "FAILED $place: no golden test says \"$text\""
    failed=$((failed + 1))
done <<<"$missing"
while IFS= read -r text; do
    [ -n "$text" ] || continue
    cut -f 2 <<<"$missing" | grep -qxF -- "$text" && continue
    echo "FAILED coverage.known: a golden test says \"$text\", or nothing does any more"
    failed=$((failed + 1))
done <<<"$known"
echo "$failed failed"
[ "$failed" = 0 ]
