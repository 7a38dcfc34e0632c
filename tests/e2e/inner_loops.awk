# Reads an assembly listing of netc's. An inner loop is one that holds no other; it counts where half of the instructions or more (prefetches aside) are FMAs,
# as in a register tile (a Winograd transform, which has more values than there are registers, has fewer). Prints those that touch
# the stack; fails if there is one, or if fewer than `least` loops were found.

function jump_target(line) {
    if (line !~ /^[ \t]+j[a-z]+[ \t]+\.L/) return ""
    sub(/^[ \t]+j[a-z]+[ \t]+/, "", line)
    sub(/[ \t#].*/, "", line)
    return line
}

# Does a loop lie between the lines first and last of the function?
function holds_loop(first, last,    i, target) {
    for (i = first; i <= last; i++) {
        target = jump_target(text[i])
        if (target in at && at[target] >= first && at[target] < i) return 1
    }
    return 0
}

function judge_loop(first, last,    i, fmas, stack, instructions) {
    for (i = first; i <= last; i++) {
        if (text[i] ~ /^[ \t]+[a-z]/ && text[i] !~ /prefetch/) instructions++
        if (text[i] ~ /vfn?m(add|sub)/) fmas++
        if (text[i] ~ /\(%rsp/) stack++
    }
    if (fmas < 8 || 2 * fmas < instructions) return
    loops++
    if (!stack) return
    bad++
    printf "%s a loop of %d instructions, %d of them FMAs, goes to the stack %d times\n", name, instructions, fmas, stack
}

function judge_function(    i, target) {
    for (i = 1; i <= lines; i++) {
        target = jump_target(text[i])
        if (target in at && at[target] < i && !holds_loop(at[target], i - 1)) judge_loop(at[target], i)
    }
    lines = 0
    split("", at)
}

/^[A-Za-z_"].*:/ { judge_function(); name = $1; next }
/^\.L[A-Za-z0-9_]+:/ { at[substr($1, 1, index($1, ":") - 1)] = lines + 1 }
{ text[++lines] = $0 }

END {
    judge_function()
    printf "%d inner loops of FMAs, %d of them with stack traffic\n", loops, bad
    exit loops < least || bad > 0
}
