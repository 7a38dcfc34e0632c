#!/bin/bash
# Golden tests: runs netc on every FOLDER/NAME.net here and compares what it says with NAME.expect.
#
#     run.sh NETC [--update] [FOLDER/NAME ...]
#
# A case is a .net file. Its first line may be `# args: ...` (instead of the folder's own arguments below) or `# only: ...` (the
# whole command line, without the file). Expected is stdout, then stderr, then the exit code. --update rewrites.
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

run_case() { # FOLDER NAME -> $scratch/got
    local args file=$2.net first
    first=$(head -n 1 "$1/$file" | tr -d '\0')
    case $first in
    '# args:'*) args=${first#\# args:} ;;
    '# only:'*) args=${first#\# only:} file= ;;
    *) args=$(folder_args "$1") ;;
    esac
    # the arguments are words, as a shell would split them
    (cd "$1" && eval "set -- $args $file" && timeout 20 "$netc" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null)
    local code=$?
    { cat "$scratch/out" "$scratch/err"; echo "exit $code"; } >"$scratch/got"
}

cases=("$@")
[ ${#cases[@]} -gt 0 ] || mapfile -t cases < <(ls -- */*.net | sed 's/\.net$//')
for case in "${cases[@]}"; do
    run_case "${case%%/*}" "${case#*/}"
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
