#!/bin/bash
# trixie.sh - does the tree build and pass its tests on Debian trixie?  debootstrap into
# build/trixie (about 2 GB; used again the next time), from the mirror this machine's apt
# uses; then what tests/deps.sh names, make and tests/run in there.  TEST=pattern and JOBS
# are passed on.  Ends with 77 and one line where it cannot be done.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
home=$here/build/trixie

skip() { echo "SKIP: trixie: $1"; exit 77; }
. "$here/tests/apt.sh" # own_source

mount_all() {
	mountpoint -q "$home/proc" || mount -t proc proc "$home/proc" || skip "/proc cannot be mounted in there"
	mount -t tmpfs tmpfs "$home/dev" -o mode=755 || skip "/dev cannot be made in there"
	local name
	for name in null zero full random urandom tty; do cp -a "/dev/$name" "$home/dev/"; done
	mkdir -p "$home/dev/pts" "$home/dev/shm"
	mount -t devpts devpts "$home/dev/pts" -o newinstance,ptmxmode=0666
	mount -t tmpfs tmpfs "$home/dev/shm"
	ln -s pts/ptmx "$home/dev/ptmx"
	ln -s /proc/self/fd "$home/dev/fd"
}

# The machine's ways to the network: its resolver and what apt was told about certificates and proxies.
take_over() {
	local file
	cp -L /etc/resolv.conf /etc/hosts "$home/etc/" 2>/dev/null
	for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
		[ -f "$file" ] && grep -qiE 'proxy|Acquire::https' "$file" && cp "$file" "$home/etc/apt/apt.conf.d/99-$(basename "$file")"
	done
	mkdir -p "$home/usr/local/share"
	[ -d /usr/local/share/ca-certificates ] && cp -r /usr/local/share/ca-certificates "$home/usr/local/share/"
	[ -f /etc/ssl/certs/ca-certificates.crt ] && mkdir -p "$home/etc/ssl/certs" && cp /etc/ssl/certs/ca-certificates.crt "$home/etc/ssl/certs/"
	return 0
}

inside() { chroot "$home" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb TEST="${TEST:-}" JOBS="${JOBS:-}" "$@"; }

[ "$(id -u)" = 0 ] || skip "debootstrap and chroot need root"
# In namespaces of its own: whatever way it ends, nothing stays mounted and nothing runs on.
if [ "${1:-}" != inside ]; then
	unshare --mount --pid --fork --kill-child --propagation private true 2>/dev/null || skip "no namespace can be made here"
	plain=$(mktemp -d /tmp/efrit-trixie-XXXXXX) || exit 1
	trap 'rmdir "$plain"' EXIT
	unshare --mount --pid --fork --kill-child --mount-proc --propagation private "$0" inside "$plain"
	exit
fi
# debootstrap takes no folder whose name has a space.
mkdir -p "$home"
grep -qF " ${home// /\\040}/" /proc/mounts && skip "something is mounted below $home; unmount it first"
mount --bind "$home" "$2" || skip "$home cannot be mounted at $2"
home=$2
command -v debootstrap >/dev/null || apt-get install -y --no-install-recommends debootstrap >/dev/null 2>&1 || skip "there is no debootstrap here"
read -r uri key < <(own_source "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")"; echo)
case ${uri:-} in *debian*) ;; *) skip "the apt sources name no mirror of Debian" ;; esac
if [ ! -e "$home/complete" ]; then
	find "$home" -mindepth 1 -maxdepth 1 -exec rm -rf --one-file-system {} +
	debootstrap --variant=minbase ${key:+--keyring="$key"} trixie "$home" "$uri" >"$here/build/trixie.log" 2>&1 ||
		skip "debootstrap failed: $(tail -n 1 "$here/build/trixie.log")"
	touch "$home/complete"
fi
mount_all
take_over
rm -rf --one-file-system "$home/tree"
mkdir "$home/tree"
tar -C "$here" --exclude=./build --exclude=./.git --exclude='*.elc' --exclude=node_modules -cf - . | tar -C "$home/tree" -xf -
inside sh -c 'cd /tree && tests/deps.sh build && tests/deps.sh test && make CI=1 all check-programs && tests/run'
