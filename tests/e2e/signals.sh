#!/usr/bin/env bash
# SIGINT and SIGTERM end training after the current step: a checkpoint is saved, the log's lines are whole, nothing temporary
# stays, and the exit status is the signal's. Going on from there gives what an uninterrupted run gives, bit for bit.
source "$(dirname "$0")/lib.sh"
set -m # a background job's SIGINT is ignored otherwise

"$NETC" -D 'train.data=synthetic()' "$root/examples/mlp.net" -o mlp
options=(--limit 2000 --limit-test 100)

interrupt() { # interrupt SIGNAL CODE
    echo "== SIG$1"
    ./mlp train --quiet "${options[@]}" --epochs 100000 --log "$1.jsonl" --out "$1" 2>err.txt &
    local pid=$! code=0 waited=0
    until [[ -s $1.jsonl && $(wc -l <"$1.jsonl") -gt 50 ]]; do
        sleep 0.05
        ((++waited < 600)) || { kill -KILL "$pid"; fail "no step in 30 s"; }
    done
    kill -"$1" "$pid"
    wait "$pid" || code=$?
    [[ $code == "$2" ]] || fail "exit status $code, wanted $2"
    [[ -s $1/last.safetensors && -s $1/curve.svg ]] || fail "checkpoint or curve is missing"
    [[ -z $(tail -c 1 "$1.jsonl" | tr -d '\n') ]] || fail "the log ends within a line"
    if grep -qv '^{.*}$' "$1.jsonl"; then fail "the log holds a torn line"; fi
    if ls -A "$1" | grep -Ev '^(last|best)\.safetensors$|^metrics\.jsonl$|^curve\.svg$'; then fail "something temporary is left"; fi
    cat err.txt
}

interrupt INT 130
interrupt TERM 143

echo "== going on"
steps=$(grep -c '"event":"step"' INT.jsonl)
more=$((steps + 40))
expect 0 ./mlp train --quiet "${options[@]}" --epochs 100000 --max-steps "$more" --resume --out INT
expect 0 ./mlp train --quiet "${options[@]}" --epochs 100000 --max-steps "$more" --out whole
same_state whole/last.safetensors INT/last.safetensors
