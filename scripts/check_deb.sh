#!/usr/bin/env bash
# check_deb.sh: makes the Debian package, and installs and uses it in a Debian that has nothing else: a fresh one, in a temporary folder, of
# the release and from the mirror that apt uses here.
#
#     scripts/check_deb.sh
#
# Needs root (chroot, mount) and the network; takes a few minutes and 1.5 GB in $TMPDIR while it runs. Not a part of the tests.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

(( EUID == 0 )) || die "only root can make a clean Debian in a folder"
install_packages "${build_packages[@]}" debootstrap dpkg-dev lintian
build_preset release

say "making the package"
rm -f build/release/*.deb
(cd build/release && cpack -G DEB)
package=$(echo "$root"/build/release/netc_*.deb)
dpkg-deb -I "$package"

# The maintainer's address is the packager's to give: cmake -D CPACK_PACKAGE_CONTACT='Name <address>'.
say "lintian"
lintian --allow-root --fail-on error,warning --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog "$package" 2>&1

work=$(mktemp -d "${TMPDIR:-/tmp}/netc-deb.XXXXXX")
clean=$work/debian
clean_up() {
    if mountpoint -q "$clean/proc"; then umount "$clean/proc"; fi
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT

# The repositories of Debian that apt uses here: "URI RELEASE" a line; the first is the release itself.
repositories() {
    # shellcheck disable=SC2016 # apt-get replaces these
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' | sed -n 's/^Debian //p' | sort -u -k2,2
}
repositories >"$work/repositories"
read -r mirror release <"$work/repositories"

say "a clean Debian $release from $mirror"
debootstrap --variant=minbase "$release" "$clean" "$mirror" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "debootstrap failed"; }
sed 's/.*/deb & main/' "$work/repositories" >"$clean/etc/apt/sources.list"
cp /etc/resolv.conf "$clean/etc/resolv.conf"
mount -t proc proc "$clean/proc"
in_clean() { chroot "$clean" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

say "installing"
cp "$package" "$clean/netc.deb"
in_clean apt-get -qq update
in_clean apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends ./netc.deb >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "it cannot be installed"; }
in_clean dpkg -s netc | grep -E '^(Status|Version|Depends)'
in_clean dpkg --verify netc

say "compiling and training as a user without rights"
in_clean useradd -m user
# shellcheck disable=SC2016 # the user's shell expands these
in_clean su user -c '
    set -e
    cd
    examples=/usr/share/netc/examples
    netc --version
    netc -D "train.data=synthetic()" $examples/lenet.net -o lenet
    ./lenet train --no-test --max-steps 20
    netc -D size=64 -D ratio=8 -D hidden=32 -D "train.data=synthetic()" -D train.batch=16 $examples/vgg11.net -o vgg11
    ./vgg11 train --quiet --no-test --max-steps 2
    netc $examples/edge.net -o edge
    ./edge train --quiet
    ls -l lenet vgg11 edge runs/*/last.safetensors'

say "removing"
in_clean dpkg -L netc | grep netc >"$work/files"
in_clean apt-get -qq -o Dpkg::Use-Pty=0 purge -y netc >/dev/null
while read -r file; do [[ ! -e $clean$file ]] || die "left behind: $file"; done <"$work/files"

say "the package is good: $package"
