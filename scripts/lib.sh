# lib.sh: what the scripts share: messages, the packages of Debian 12, building a preset, finding the pictures.
# Sourced by bash, with `set -euo pipefail` in force; leaves the working directory at the root of the project, and where the
# caller stood in $called_from.

called_from=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

build_packages=(gcc libc6-dev cmake ninja-build bison flex zlib1g-dev libpng-dev libjpeg62-turbo-dev libmimalloc-dev llvm-19-dev)
test_packages=(pkg-config check qemu-user gdb)

if [[ -t 2 && -z ${NO_COLOR-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

# say TEXT...: one line about what happens now.
say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain" >&2; }

# die TEXT...: ends the script with one message.
die() { printf '%s: error: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# frame LINE...: a box on stderr that nobody overlooks.
frame() {
    local line width=0
    for line; do (( ${#line} > width )) && width=${#line}; done
    local rule; rule=$(printf '%*s' $((width + 2)) '' | tr ' ' '=')
    printf '\n+%s+\n' "$rule" >&2
    for line; do printf '| %-*s |\n' "$width" "$line" >&2; done
    printf '+%s+\n' "$rule" >&2
}

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]; }

# install_packages NAME...: installs those that are missing, as root or through sudo; nothing is done where all are there.
install_packages() {
    local missing=() name as_root=()
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here: taking for granted that these, or their like, are installed: $*"
        return
    fi
    for name; do is_installed "$name" || missing+=("$name"); done
    (( ${#missing[@]} )) || return 0
    if (( EUID )); then
        command -v sudo >/dev/null || die "these packages are missing and only root can install them: ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]} (a minute or so)"
    local quiet=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0) log
    log=$(mktemp)
    "${as_root[@]}" "${quiet[@]}" update >"$log" 2>&1 || say "apt-get update failed; trying with the package lists that are there"
    if ! "${as_root[@]}" "${quiet[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >>"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "apt-get could not install ${missing[*]}"
    fi
    rm -f "$log"
}

# build_preset NAME: configures and builds build/NAME.
build_preset() {
    local log
    say "building build/$1"
    log=$(cmake --preset "$1" 2>&1) || { printf '%s\n' "$log" >&2; die "cmake --preset $1 failed"; }
    cmake --build --preset "$1" -- --quiet || die "building the preset '$1' failed"
}

# has_fashion_mnist DIR: would a trainer find Fashion-MNIST there?
has_fashion_mnist() {
    local sub suffix
    for sub in . fashion-mnist FashionMNIST/raw; do
        for suffix in '' .gz; do
            [[ -r $1/$sub/train-images-idx3-ubyte$suffix ]] && return 0
        done
    done
    return 1
}

# find_fashion_mnist [DIR]: prints the folder that a trainer would take it from: DIR, $NETC_DATA or the cache folder.
find_fashion_mnist() {
    local dir
    for dir in "${1-}" "${NETC_DATA-}" "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/netc"; do
        if [[ -n $dir ]] && has_fashion_mnist "$dir"; then (cd "$dir" && pwd); return 0; fi
    done
    return 1
}

# tests_passed LOG...: one line "100% tests passed, 0 tests failed out of 41", summed over the logs of ctest, whose own line is
# this or, in newer versions where none failed, "100% tests passed out of 41".
tests_passed() {
    awk '/^[0-9]+% tests passed/ { all += $NF; if (/ failed out of /) failed += $4 }
         END { if (all) printf "%d%% tests passed, %d tests failed out of %d\n", 100 * (all - failed) / all, failed, all }' "$@"
}
