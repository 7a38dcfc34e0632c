#!/usr/bin/env bash
# Manual pages and completions say what --help says, of netc and of a trainer: all options, no others, in every shell; the pages have
# no faults, the completions complete.
source "$(dirname "$0")/lib.sh"
shell=$(dirname "$NETC")/shell

expect 0 "$NETC" -D 'train.data=synthetic()' "$root/examples/linear.net" -o linear
mkdir folder
touch one.net two.graph three.loops four.txt

# ---- what is said of options, as lines ----

# help_options COMMAND...: the left column of its --help, up to the list of warnings.
help_options() { "$@" --help | sed -n '/^warnings:/q; s/^  \(-[^ ]*\( [^ ]\+\)\?\)\(  .*\)\?$/\1/p' | sort; }

# page_options PAGE: the headings under OPTIONS; their names end in a tab: "--emit<tab>=KIND[=PATH]".
page_options() {
    awk '/^\.SH/ { on = $2 == "OPTIONS" } on && wanted { print; wanted = 0 } on && /^\.TP/ { wanted = 1 }' "$shell/$1" |
        sed 's/\\-/-/g; s/^\\fB\([^\\]*\)\\fR/\1\t/; s/\\f[IR]//g' | sort
}
names() { sed 's/\t.*//' | sort -u; }

# equal WHAT FILE FILE: the same lines, and some; the second is a real file.
equal() {
    diff "$2" "$3" || fail "$1"
    [[ -s $3 ]] || fail "$1: nothing found"
}

# ---- completing ----

# bash_offers WORD...: what bash offers for the last word, a line each; words are parted at = and : as it parts them.
bash_offers() {
    printf '%s\n' "$@" | sed 's/[=:]/\n&\n/g' | sed -e '${/^$/!b' -e '}' -e '$!{/^$/d' -e '}' >words.txt
    bash --norc -uc 'source "$1"
        mapfile -t COMP_WORDS <words.txt
        [[ ${COMP_WORDS[-1]} || ${COMP_WORDS[-2]} != [=:] ]] || unset "COMP_WORDS[-1]"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        $2
        printf "%s\n" "${COMPREPLY[@]}"' bash "$shell/$1.bash" "_${1//-/_}" | sed '/^$/d' | sort
}

# zsh_options FILE [SUBCOMMAND]: the options that the completion for zsh hands to _arguments.
zsh_options() {
    awk -v command="${2-}" '/^    [a-z]+\)$/ { on = $1 == command ")" } !command || on' "$shell/$1" |
        sed -n "s/^ *'\*\?\(-[^[]*[^[+=-]\|-[^[]*\)[+=-]*\[.*/\1/p" | sort -u
}

# fish_options FILE [SUBCOMMAND]: the same of the completion for fish.
fish_options() {
    awk -v command="${2-}" '!command || $0 ~ "from[^\x27]* " command "[ \x27]"' "$shell/$1" |
        sed -n "s/.* -l '\([^']*\)'.*/--\1/p; s/.* -[so] '\([^']*\)'.*/-\1/p" | sort -u
}

# in_every_shell COMMAND WANTED [SUBCOMMAND]: all three offer the options in the file WANTED.
in_every_shell() {
    local command=$1 wanted=$2
    shift 2
    bash_offers "$command" "$@" - | sed 's/=$//' | sort -u >bash.txt
    equal "bash: $command $*" "$wanted" bash.txt
    zsh_options "_$command" "$@" >zsh.txt
    equal "zsh: $command $*" "$wanted" zsh.txt
    fish_options "$command.fish" "$@" >fish.txt
    equal "fish: $command $*" "$wanted" fish.txt
}

# offers WANTED WORD...: bash offers just these, which are written in one string.
offers() {
    local wanted=$1 got
    shift
    got=$(bash_offers "$@" | tr '\n' ' ')
    [[ $got == "${wanted:+$wanted }" ]] || fail "bash offers '$got' for '$*', wanted '$wanted'"
}

echo "== netc's options"
help_options "$NETC" >help.txt
page_options netc.1 >page.txt
equal "--help and netc.1" <(tr -d '\t' <page.txt | sort) help.txt
names <page.txt >netc.txt
(($(wc -l <netc.txt) > 25)) || fail "only $(wc -l <netc.txt) options found"
in_every_shell netc netc.txt

echo "== a trainer's options"
./linear | sed -n 's/^  \([a-z]*\) .*/\1/p' >commands.txt
sed -n '/^\.SH SUBCOMMANDS/,/^\.SH OPTIONS/s/^\\fB\([a-z]*\)\\fR.*/\1/p' "$shell/netc-trainer.1" >page_commands.txt
equal "subcommands in netc-trainer.1" commands.txt page_commands.txt
offers "$(sort commands.txt | tr '\n' ' ' | sed 's/ $//')" netc-trainer ''
page_options netc-trainer.1 >page.txt
while read -r command; do help_options ./linear "$command"; done <commands.txt | sort -u >help.txt
equal "--help and netc-trainer.1" <(tr -d '\t' <page.txt | sort) help.txt
while read -r command; do
    help_options ./linear "$command" | sed 's/ .*//' >one.txt
    in_every_shell netc-trainer one.txt "$command"
done <commands.txt

echo "== completions in bash"
offers '--emit=' netc --em
offers 'graph graph:forward' netc --emit=gr
offers 'forward' netc --emit=graph:f
offers '-fno-winograd' netc -fno-wi
offers 'winograd' netc -f wi
offers '-O -O0 -O1 -O2 -O3' netc -O
offers 'always auto never' netc --color=
offers 'folder one.net three.loops two.graph' netc ''
offers 'folder' netc --check -I f
offers 'four.txt' netc -o fou
offers '' netc -march=n
offers '' netc-trainer train nothing
offers 'folder' netc-trainer train --out ''
offers 'folder' netc-trainer train --out=
offers 'four.txt' netc-trainer run one.npy -o fou
offers '--resume' netc-trainer train --resume one --r
offers 'folder four.txt' netc-trainer predict fo

echo "== every value that is offered is one"
for option in --emit= --print-after= --stop-after= -f -W --color= --diagnostics= -O; do
    bash_offers netc "$option" | sed "s/^$option//; /^$/d; /^error$/d" >values.txt
    (($(wc -l <values.txt) > 1)) || fail "$option is offered no values"
    while read -r value; do expect 0 "$NETC" "$option$value" --version; done <values.txt
done
bash_offers netc --stop-after= >values.txt
equal "passes" <("$NETC" --list-passes | awk '{ print $1 }' | sort) values.txt
bash_offers netc -fno- >values.txt
equal "optimisations" <("$NETC" --help=optimizers | sed -n 's/^  \([a-z-]*\) .*/-fno-\1/p' | sort) values.txt

echo "== the pages"
for page in netc.1 netc-trainer.1; do
    grep -q "\"netc $("$NETC" --version | sed 's/netc //')\"" "$shell/$page" || fail "$page tells another version"
    if command -v groff >/dev/null; then
        expect 0 groff -man -Tutf8 -ww -rCHECKSTYLE=3 "$shell/$page"
        [[ ! -s err.txt ]] || fail "groff complains of $page: $(<err.txt)"
        (($(wc -l <out.txt) > 60)) || fail "$page is nearly empty"
    else
        leave_out "how manual pages look (needs groff)"
    fi
    if command -v man >/dev/null; then
        expect 0 env LC_ALL=C.UTF-8 man --warnings -l "$shell/$page"
        [[ ! -s err.txt ]] || fail "man complains of $page: $(<err.txt)"
    else
        leave_out "man's own warnings (needs man-db)"
    fi
done

echo "== zsh"
if command -v zsh >/dev/null; then
    for file in _netc _netc-trainer; do expect 0 zsh -n "$shell/$file"; done
    # zsh_makes WANTED LINE: what a tab makes of the line in an interactive shell.
    zsh_makes() {
        expect 0 timeout 30 zsh -f "$tests/e2e/shell_tab.zsh" "$shell" "$2"
        [[ $(<line.txt) == "$1" ]] || fail "zsh makes '$(<line.txt)' of '$2', wanted '$1'"
    }
    zsh_makes 'netc --emit=' 'netc --em'
    zsh_makes 'netc --print-after=lower ' 'netc --print-after=lo'
    zsh_makes 'netc -fno-winograd ' 'netc -fno-wi'
    zsh_makes 'netc one.net ' 'netc o'
    zsh_makes 'linear train --max-steps=' 'linear train --max'
    zsh_makes 'linear time --json ' 'linear time --j'
else
    leave_out "completion in zsh (needs zsh)"
fi

echo "== fish"
if command -v fish >/dev/null; then
    for file in netc.fish netc-trainer.fish; do expect 0 fish --no-config -n "$shell/$file"; done
    # fish_offers LINE: what fish offers for its last word; trainers as netc-trainer.1 says.
    fish_offers() {
        HOME=$work fish --no-config -c "set -p PATH $(dirname "$NETC"); source $shell/netc.fish; source $shell/netc-trainer.fish
            complete -c ./linear -w netc-trainer; complete -C '$1'" | sed 's/\t.*//' | sort -u
    }
    fish_offers 'netc -' | sed '/^-[a-zA-Z]$/!d' >fish.txt
    equal "short options in fish" <(grep -x -- '-[a-zA-Z]' netc.txt) fish.txt
    fish_offers 'netc --' >fish.txt
    equal "long options in fish" <(grep -- '^--' netc.txt) fish.txt
    fish_offers './linear time --' >fish.txt
    equal "a trainer's options in fish" <(help_options ./linear time | sed 's/ .*//') fish.txt
    [[ $(fish_offers 'netc --emit=gr' | tr '\n' ' ') == '--emit=graph --emit=graph:forward ' ]] || fail "fish does not know the kinds of --emit"
else
    leave_out "completion in fish (needs fish)"
fi
