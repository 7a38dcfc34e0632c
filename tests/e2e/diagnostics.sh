#!/usr/bin/env bash
# What golden files cannot hold of netc's diagnostics: colour on a terminal, JSON that any reader takes, fix-its that repair the
# source when they are applied, and that errors, also warnings made errors, leave no output behind.
source "$(dirname "$0")/lib.sh"

escape=$'\e['
printf 'network n(1, 28, 28) -> 10 { flatten -> liner(10) }\n' >bad.net

# on_terminal COMMAND...: its output, as written to a terminal.
on_terminal() { script -qec "$*" /dev/null </dev/null || true; }
colored() { grep -qF "$escape" || fail "no colour: $1"; }
plain() { if grep -qF "$escape"; then fail "colour: $1"; fi; }

echo "== colour: the flag beats NO_COLOR, which beats the terminal"
unset NO_COLOR
("$NETC" --check bad.net 2>&1 || true) | plain "into a pipe"
("$NETC" --check --color=always bad.net 2>&1 || true) | colored "--color=always into a pipe"
(NO_COLOR=1 "$NETC" --check --color=always bad.net 2>&1 || true) | colored "--color=always and NO_COLOR"
if command -v script >/dev/null; then
    on_terminal "$NETC" --check bad.net | colored "on a terminal"
    on_terminal "$NETC" --sumary bad.net | colored "a wrong option, on a terminal"
    on_terminal NO_COLOR= "$NETC" --check bad.net | colored "an empty NO_COLOR says nothing"
    on_terminal NO_COLOR=1 "$NETC" --check bad.net | plain "NO_COLOR on a terminal"
    on_terminal NO_COLOR=1 "$NETC" --check --color=auto bad.net | plain "--color=auto and NO_COLOR"
    on_terminal NO_COLOR=1 "$NETC" --check --color=always bad.net | colored "--color=always and NO_COLOR, on a terminal"
    on_terminal "$NETC" --check --color=never bad.net | plain "--color=never on a terminal"
else
    leave_out "colour on a terminal (needs script)"
fi

echo "== fix-its repair the source"
cat >broken.net <<'NET'
ratio = 2
blok act(channels: itn, strid: int = 1) { conv(channels, 3, stride=strid, pad=1) -> relu }
NET
cat >broken2.net <<'NET'
ratio = 2
# größer 幅
block act(channels: itn, strides: int = 1) { conv(channels, 3, stride=strides, pda=1) -> ReLU }
network n(1, 28, 28) -> 10 {
	width = it.widht
	act(8 / ratoi, stride=2) -> max_pol(2)
	linear(10)
}
train { data = fashionmnist(resize=28); bacth = width_; loss = crossentropy; optim = sgd(momentm=0.5) }
width_ = 32
NET
# repair FILE: applies the fix-its of --diagnostics=json, the last first, so that the places of the others stay right.
repair() {
    local start end text
    ("$NETC" --check --diagnostics=json "$1" 2>fixits.json || true)
    grep -o '{"text":"[^"]*"[^}]*}' fixits.json | sed 's/.*"text":"\([^"]*\)".*"start":\([0-9]*\),"end":\([0-9]*\)}/\2:\3:\1/' | sort -rn >fixits.txt
    [[ -s fixits.txt ]] || return 1
    while IFS=: read -r start end text; do
        { head -c "$start" "$1"; printf '%s' "$text"; tail -c +$((end + 1)) "$1"; } >repaired.net
        mv repaired.net "$1"
    done <fixits.txt
}
for file in broken.net broken2.net; do
    for ((round = 0; round < 5; round++)); do repair $file || break; done # one phase's errors a round
    cat $file
done
grep -q '^block act(channels: int,' broken.net || fail "broken.net is not repaired"
expect 0 "$NETC" --check broken2.net

echo "== JSON that a parser of others takes"
printf 'network n(1, 28, 28) -> 10 { x = "\\t\\"\\\\é" + 1; con(3) }\n' >json.net
printf 'network n(1, 28, 28) -> 10 { relu -> relu; a = 3; flatten -> linear(10) }\n' >warn.net
name=$'odd \xff\x01".net'
cp json.net "$name"
if command -v python3 >/dev/null; then
    for arguments in "--check json.net" "--check -Wall warn.net" "--check --sumary x.net" "--check nowhere.net" "--check broken2.net"; do
        # shellcheck disable=SC2086
        ("$NETC" --diagnostics=json $arguments 2>one.json || true)
        python3 -m json.tool one.json >/dev/null || fail "no JSON: $arguments"
    done
    ("$NETC" --check --diagnostics=json "$name" 2>one.json || true)
    python3 -m json.tool one.json >/dev/null || fail "no JSON: a file with an odd name"
else
    leave_out "JSON by another parser (needs python3)"
fi
("$NETC" --check "$name" 2>&1 || true) | grep -qF 'odd <FF><01>".net:1:' || fail "bytes of a file's name that are no text are shown as they are"

echo "== errors leave no output"
expect 1 "$NETC" -Werror warn.net -o warned
expect 1 "$NETC" -Werror=dead-layer --emit=graph=warned warn.net
expect 1 "$NETC" bad.net -o warned
expect 2 "$NETC" -fno-fus warn.net -o warned
[[ ! -e warned ]] || fail "something was written"
expect 0 "$NETC" -w --emit=graph=warned warn.net
[[ -s warned && ! -s err.txt ]] || fail "-w: no output, or a message"
