# shell_tab.zsh SHELL_FOLDER LINE: types LINE and a tab into an interactive zsh, and writes what the line is then to line.txt.
zmodload zsh/zpty || exit 1
zpty shell "TERM=dumb PS1= zsh -f -i"
zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; compdef _netc-trainer linear
    show() { print -r -- \"\$BUFFER\" >line.txt; exit }; zle -N show; bindkey '^X^X' show; print re''ady"
zpty -r shell output '*ready*'
zpty -n -w shell "$2"$'\t\x18\x18'
while zpty -r shell output; do :; done # until it has ended
