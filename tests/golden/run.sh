#!/bin/bash
# Golden tests: runs netc on every FOLDER/NAME.net here and compares what it says with NAME.expect.
#
#     run.sh NETC [--update] [FOLDER/NAME ...]
#
# A case is a .net file. Its first lines may be `# args: ...` (instead of the folder's own arguments below) or `# only: ...` (the
# whole command line, without the file), then `# env: NAME=VALUE ...` and `# stdout: FILE`. Expected is stdout, then stderr, then
# the exit code.
# Or a case is a .edits file: its first line is `# base: FILE`, each other one that is no comment a script for sed, which plants a fault in
# the text of FILE; expected is what netc --check says to each. --update rewrites.
set -u
netc=$(realpath "$1"); shift
update=false
[ "${1:-}" = --update ] && { update=true; shift; }
cd "$(dirname "$0")" || exit 1
export NO_COLOR=1 LC_ALL=C
passed=0 failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

folder_args() {
    case $1 in
    errors | warnings) echo --check ;;
    summary) echo --summary ;;
    ast) echo --emit=ast ;;
    tokens) echo --emit=tokens ;;
    options) echo --check ;;
    graph) echo --emit=graph:forward ;;
    esac
}

header() { # FILE KEY: what stands behind `# KEY:` in one of the first three lines
    head -n 3 "$1" | tr -d '\0' | sed -n "s/^# $2: //p"
}

run_case() { # FOLDER NAME -> $scratch/got
    local args file=$2.net out env
    out=$(header "$1/$file" stdout)
    env=$(header "$1/$file" env)
    args=$(header "$1/$file" args)
    [ -n "$args" ] || args=$(folder_args "$1")
    if head -n 1 "$1/$file" | tr -d '\0' | grep -q '^# only:'; then
        args=$(header "$1/$file" only)
        file=
    fi
    : >"$scratch/out"
    # the arguments are words, as a shell would split them
    (cd "$1" && eval "set -- $args $file" && { [ -z "$env" ] || eval "export $env"; } && timeout 20 "$netc" "$@" >"${out:-$scratch/out}" 2>"$scratch/err" </dev/null)
    local code=$?
    { cat "$scratch/out" "$scratch/err"; echo "exit $code"; } >"$scratch/got"
}

run_edits() { # FOLDER NAME -> $scratch/got
    local base text code
    base=$(header "$1/$2.edits" base)
    base=$1/$base
    text=text.${base##*.}
    while IFS= read -r line; do
        sed "$line" "$base" >"$scratch/$text"
        (cd "$scratch" && timeout 20 "$netc" --check "$text" >out 2>err </dev/null)
        code=$?
        { echo "== $line"; cat "$scratch/out" "$scratch/err"; echo "exit $code"; } >>"$scratch/all"
    done < <(grep -v '^#' "$1/$2.edits")
    mv "$scratch/all" "$scratch/got"
}

cases=("$@")
[ ${#cases[@]} -gt 0 ] || mapfile -t cases < <(ls -- */*.net */*.edits | sed 's/\.[a-z]*$//')
for case in "${cases[@]}"; do
    if [ -e "$case.edits" ]; then run_edits "${case%%/*}" "${case#*/}"; else run_case "${case%%/*}" "${case#*/}"; fi
    if $update; then cp "$scratch/got" "$case.expect"; fi
    if diff -u "$case.expect" "$scratch/got" >"$scratch/diff" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $case"
        head -n 40 "$scratch/diff"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
