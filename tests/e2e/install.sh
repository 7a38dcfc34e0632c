#!/usr/bin/env bash
# An installed netc works wherever its prefix lies, called from anywhere, without the folders that it was built in and installed to; all
# that comes with it is in its place.
source "$(dirname "$0")/lib.sh"

build=$(dirname "$NETC")
cmake --install "$build" --prefix "$work/usr" >/dev/null
libdir=$(sed -n 's/^CMAKE_INSTALL_LIBDIR:[A-Z]*=//p' "$build/CMakeCache.txt")

echo "== what is installed"
installed=(bin/netc "$libdir/netc/libnrt.a" share/doc/netc/{copyright,README.md} share/netc/examples/{lenet.net,edge_x.npy,blocks/vgg.net}
    share/netc/vscode/{package.json,syntaxes/net.tmLanguage.json} share/vim/vimfiles/{syntax,ftdetect,ftplugin}/net.vim)
for name in netc netc-trainer; do
    installed+=("share/man/man1/$name.1" "share/bash-completion/completions/$name" "share/zsh/site-functions/_$name"
        "share/fish/vendor_completions.d/$name.fish")
done
for file in "${installed[@]}"; do [[ -s usr/$file ]] || fail "$file is not installed"; done
if find usr \( -name '*.in' -o -name '*.cmake' \) | grep .; then fail "these have no place there"; fi

mkdir -p "with space" elsewhere
mv usr "with space/moved"
prefix="$work/with space/moved"
cd elsewhere

# trains PROGRAM: it does, on generated pictures.
trains() {
    expect 0 "./$1" train --quiet --limit 200 --limit-test 100 --epochs 1 --max-steps 3 --out "run_$1"
    [[ -s run_$1/last.safetensors ]] || fail "$1 wrote no checkpoint"
}

echo "== moved, found on the PATH"
expect 0 env PATH="$prefix/bin:$PATH" netc -v -D 'train.data=synthetic()' "$prefix/share/netc/examples/linear.net" -o linear
grep -qF "$prefix/bin/../$libdir/netc/libnrt.a" "$work/err.txt" || fail "the runtime library is not that of the moved prefix: $(<"$work/err.txt")"
trains linear

echo "== an example that imports blocks, through a link to netc"
ln -s "$prefix/bin/netc" netc
expect 0 ./netc -D size=64 -D ratio=8 -D hidden=32 -D 'train.data=synthetic()' -D train.batch=8 "$prefix/share/netc/examples/vgg11.net" -o vgg11
trains vgg11

echo "== an example with data of its own"
expect 0 ./netc "$prefix/share/netc/examples/edge.net" -o edge
expect 0 ./edge train --quiet --out run_edge

echo "== without its runtime library"
rm "$prefix/$libdir/netc/libnrt.a"
if [[ ! -e $(sed -n 's/^CMAKE_INSTALL_PREFIX:[A-Z]*=//p' "$build/CMakeCache.txt")/$libdir/netc/libnrt.a ]]; then
    expect 6 ./netc "$prefix/share/netc/examples/linear.net" -o other
    one_message 'libnrt\.a.*NETC_RUNTIME'
fi
expect 0 env NETC_RUNTIME="$build/runtime/libnrt.a" ./netc "$prefix/share/netc/examples/linear.net" -o other
