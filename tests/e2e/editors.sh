#!/usr/bin/env bash
# The editors' grammars know the words of the language, all and no others, and colour every token of the examples as what it is.
source "$(dirname "$0")/lib.sh"
vim_syntax=$root/editors/vim/syntax/net.vim
vscode=$root/editors/vscode

# ---- the words, from the compiler ----

# table NAME: a table's names. listed REGEX: the words that netc's own message lists.
table() { echo "@words $1@" | "$TOOLS/fill_netc" - -; }
listed() { sed -n "s/.*$1//p" err.txt | sed 's/ and /, /' | tr -d ' ' | tr ',' '\n'; }

sed -n 's/^"\([a-z]*\)".*return TOK_.*/\1/p' "$root/grammar/net.l" | sort >keyword
{ table layers; echo concat; } | sort >layer
table functions | sort >function
{ table records; echo none; } | sort >record
table settings | sort >setting
printf 'block b(x: whole) { relu }\nnetwork n(1, 2, 2) -> 4 { flatten }\n' >type.net
expect 1 "$NETC" --check type.net
listed 'there are ' | sort >./type
printf 'network n(1, 2, 2) -> 4 { linear(it.what) }\n' >attribute.net
expect 1 "$NETC" --check attribute.net
listed 'there are ' | sort >attribute
for class in keyword layer function record setting type attribute; do
    (($(wc -l <$class) > 3)) || fail "only $(wc -l <$class) words of class $class found: $(<$class)"
done

# known EDITOR CLASS: the words on stdin are those of the class.
known() { diff "$2" <(sort) || fail "$1: words of class $2"; }

echo "== words, Vim"
vim_words() { awk -v groups=" $* " '$1 == "syn" && $2 == "keyword" && index(groups, " " $3 " ") { for (i = 4; i <= NF; i++) print $i }' "$vim_syntax" |
    sed '/^nextgroup=/d; /^skip/d; /^contained$/d'; }
vim_words netInclude netDeclaration netRepeat netConditional netLogic netBoolean netIt | known Vim keyword
for class in layer function record setting; do vim_words "net${class^}" | known Vim $class; done
for class in type attribute; do sed -n "s/^syn match net${class^} .*%(\([a-z|\\]*\)\\\\).*/\1/p" "$vim_syntax" | sed 's/\\|/\n/g' | known Vim $class; done

echo "== words, VS Code"
# json FILE KEY...: a value of a JSON file; CMake reads it, which is there wherever netc is built.
json() {
    local file=$1
    shift
    # shellcheck disable=SC2016 # CMake expands these
    printf 'file(READ "%s" text)\nstring(JSON value GET "${text}" %s)\nfile(WRITE value.txt "${value}")\n' "$file" "$*" >json.cmake
    expect 0 cmake -P json.cmake
    cat value.txt
}
for file in package.json language-configuration.json syntaxes/net.tmLanguage.json; do json "$vscode/$file" >whole.txt; done
[[ netc\ $(json "$vscode/package.json" version) == "$("$NETC" --version)" ]] || fail "package.json tells another version"
[[ -s $vscode/$(json "$vscode/package.json" contributes languages 0 configuration) ]] || fail "package.json names a configuration that is not there"
grammar=$vscode/$(json "$vscode/package.json" contributes grammars 0 path)
[[ $(json "$grammar" scopeName) == "$(json "$vscode/package.json" contributes grammars 0 scopeName)" ]] || fail "package.json tells another scope"
code_words() { for name; do json "$grammar" repository "$name" match | sed 's/.*(?:\(.*\)).*/\1/' | tr '|' '\n'; echo; done | sed '/^$/d'; }
code_words declaration control logic boolean it | known "VS Code" keyword
for class in layer function record setting type attribute; do code_words $class | known "VS Code" $class; done

# ---- every token of the examples ----

# All that the examples leave out.
cat >all.net <<'END'
# train network "conv" 12
import "other.net"
size = 3.5e-1   # conv(1, 2)
flag = not true or false and 1 <= 2
batch = 64
block twice(n: int = 2, name:string = "a \" # b", sizes: tuple) {
    for (a, b) in sizes[0] { conv(a, b) -> relu } ; repeat n - 1 { dropout(0.5) }
    if n == 1 { batch_norm(momentum=0.1) } else { both = concat(it, it); both }
    linear(round(it.features * 1.0)); linear(if flag then 1. else 1e3)
}
network all(1, 28, 28) -> 10 { twice(2, sizes=(1, 2)) -> flatten }
train
{
    data = images("dir", resize=none); batch = batch; epochs = max(1, 2)
    optim = sgd(lr=0.1, momentum=0.9); schedule = step(every=2, gamma=0.5); loss = squared_error
}
lr = 1
END

expect 0 "$NETC" --emit=ast all.net

# wanted FILE: "line:column class" of its tokens, as the compiler takes them apart; plain ones have no class.
wanted() {
    "$NETC" --emit=tokens "$1" 2>/dev/null | awk '
        function member(class) { return ((class, $3) in words) }
        BEGIN { n = split("layer function record setting type attribute", classes)
                for (i = 1; i <= n; i++) while ((getline word <classes[i]) > 0) words[classes[i], word] }
        { class = ""
          if ($3 == "train") { train = 1; depth = 0 }
          if (train && $3 == "{") depth++
          if (train && $3 == "}" && !--depth) train = 0
          sign = $2 == "sign" || $2 == "word" && $3 !~ /^([a-z]|->)/
          if ($2 == "word") class = $3 == "->" ? "operator" : "keyword"
          else if ($2 == "int" || $2 == "float" || $2 == "fraction") class = "number"
          else if ($2 == "string") class = "string"
          else if ($2 == "name") {
              if (before == "block" || before == "network") class = "name"
              else if (before == "." && member("attribute")) class = "attribute"
              else if (before == ":" && member("type")) class = "type"
              else if (train && member("setting")) class = "setting"
              else class = member("layer") ? "layer" : member("function") ? "function" : member("record") ? "record" : ""
          }
          before = $3
          if (!sign) print $1, class }'
}

mkdir examples
cp all.net examples
for file in "$root"/examples/*.net "$root"/examples/blocks/*.net; do cp "$file" "examples/$(basename "$(dirname "$file")")-$(basename "$file")"; done
for file in examples/*.net; do wanted "$file" >"$file.wanted"; done
cut -d' ' -f2 examples/*.wanted | sort | uniq -c >count.txt
(($(wc -l <count.txt) == 12)) || fail "not every class was met: $(<count.txt)"

# judge EDITOR SED_COMMAND...: what the editor said in FILE.got is what was wanted, when its names are made classes.
judge() {
    local editor=$1 file
    shift
    for file in examples/*.net; do
        sed "$@" "$file.got" >got.txt
        diff "$file.wanted" got.txt || fail "$editor colours $file otherwise"
    done
}

echo "== tokens, Vim"
if command -v vim >/dev/null && vim --version | grep -q '+syntax'; then
    cat >groups.vim <<'END'
set nocompatible
filetype plugin on
syntax on
for file in glob('examples/*.net', 0, 1)
    execute 'edit' file
    let said = []
    for token in readfile(file . '.wanted')
        let place = split(token, '[: ]')
        call add(said, place[0] . ':' . place[1] . ' ' . synIDattr(synID(place[0], place[1], 1), 'name'))
    endfor
    call writefile(said, file . '.got')
endfor
call writefile([&filetype, &commentstring, synIDattr(synID(1, 9, 1), 'name')], 'vim.txt')
quitall!
END
    expect 0 timeout 60 vim -N -u NONE -i NONE -es --cmd "set rtp^=$root/editors/vim" -S groups.vim
    [[ $(tr '\n' ' ' <vim.txt) == 'net # %s netComment ' ]] || fail "Vim says: $(tr '\n' ' ' <vim.txt)"
    judge Vim -E 's/net(Include|Declaration|Repeat|Conditional|Logic|Boolean|It)$/keyword/; s/netArrow/operator/; s/net([A-Z])/\L\1/; s/\\$//'
else
    leave_out "the colours of Vim (needs vim with +syntax)"
fi

echo "== tokens, VS Code"
if command -v perl >/dev/null && perl -MJSON::PP -e 1; then
    for file in examples/*.net; do expect 0 perl "$tests/e2e/textmate.pl" "$grammar" "$file" "$file.wanted" && cp out.txt "$file.got"; done
    judge "VS Code" -E 's/ (storage\.type|keyword\.control|keyword\.operator\.logical|constant\.language\.boolean|variable\.language)\.net$/ keyword/
        s/ entity\.name\..*/ name/; s/ keyword\.operator\..*/ operator/; s/ variable\.other\..*/ attribute/; s/ support\.type\..*/ type/
        s/ support\.function\.layer.*/ layer/; s/ support\.function\..*/ function/; s/ support\.constant\..*/ record/
        s/ variable\.parameter\..*/ setting/; s/ constant\.numeric\..*/ number/; s/ string\..*/ string/'
else
    leave_out "the colours of VS Code (needs perl with JSON::PP)"
fi
