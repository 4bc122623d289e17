# apt.sh - packages fetched and unpacked for the tests, not installed; sourced by the scripts that do it.
# shellcheck shell=bash

tests_time() { "$(dirname "${BASH_SOURCE[0]}")/patience.py" "$1"; }

# Whether the machine's mirror gives what it always has.
apt_reaches() {
	local uri key codename file status
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	read -r uri key < <(own_source "$codename"; echo)
	[ -n "${uri:-}" ] || return 1
	file=$(mktemp) || return 1
	rm -f "$file"
	env -u APT_CONFIG timeout 60 /usr/lib/apt/apt-helper download-file "${uri%/}/dists/$codename/InRelease" "$file" >/dev/null 2>&1
	status=$?
	rm -f "$file"
	return $status
}

# Ends with 77 where the mirror is out of reach, which is nobody's fault here, else with 1.
apt_give_up() { # WHAT WHY
	if apt_reaches; then
		echo "$1: $2"
		exit 1
	fi
	echo "SKIP: $1: the mirror is out of reach: $2"
	exit 77
}

# One at a time: the lock is held until the script that called ends.
apt_alone() { # HOME
	mkdir -p "$(dirname "$1")"
	exec {apt_lock}>"$1.lock"
	flock "$apt_lock"
}

# The machine's own source of the release: "URI keyring", from either format.
own_source() { # CODENAME
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v name="$1" '
		$1 == "deb" { key = ""; i = 2
			if ($2 ~ /^\[/) { while ($i !~ /\]$/) i++; if (match($0, /signed-by=[^] ]*/)) key = substr($0, RSTART + 10, RLENGTH - 10); i++ }
			if ($(i + 1) == name) { print $i, key; exit } }'
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v name="$1" '
		function done() { if (uri && (" " suites " ") ~ (" " name " ") && !said) { print uri, key; said = 1 } uri = suites = key = "" }
		/^[ \t]*$/ { done() }
		tolower($1) == "uris:" { uri = $2 }
		tolower($1) == "suites:" { $1 = ""; suites = $0 }
		tolower($1) == "signed-by:" { key = $2 }
		END { done() }'
}

# apt of its own in FOLDER, that knows these suites of the machine's mirror and touches nothing else;
# sources:SUITE stands for that suite's sources.
apt_of_its_own() { # FOLDER CODENAME SUITE...
	local new=$1 codename=$2 uri key suite
	shift 2
	read -r uri key < <(own_source "$codename"; echo)
	[ -n "${uri:-}" ] || { echo "the apt sources name no mirror of $codename"; return 1; }
	mkdir -p "$new/lists/partial" "$new/cache/archives/partial" "$new/debs"
	for suite in "$@"; do
		case $suite in
		sources:*) echo "deb-src ${key:+[signed-by=$key] }$uri ${suite#*:} main" ;;
		*) echo "deb ${key:+[signed-by=$key] }$uri $suite main" ;;
		esac
	done >"$new/sources.list"
	# A configuration file and not -o: the folder's name may hold spaces.
	cat >"$new/apt.conf" <<-EOC
		Dir::State::lists "$new/lists";
		Dir::Cache "$new/cache";
		Dir::Etc::sourcelist "$new/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Acquire::Languages "none";
		Acquire::Retries "2";
		Acquire::http::Timeout "20";
	EOC
	[ "$(id -u)" = 0 ] && echo 'APT::Sandbox::User "root";' >>"$new/apt.conf"
	export APT_CONFIG=$new/apt.conf
	timeout "$(tests_time 120)" apt-get update >"$new/log" 2>&1 || { echo "apt-get update failed: $(tail -n 1 "$new/log")"; return 1; }
}

# Fetches PACKAGES into FOLDER/debs and unpacks them into FOLDER/tree.
apt_unpack() { # FOLDER PACKAGE...
	local new=$1 deb
	shift
	(cd "$new/debs" && timeout "$(tests_time 300)" apt-get download "$@") >"$new/log" 2>&1 ||
		{ echo "apt-get download failed: $(grep -m 1 '^E:' "$new/log")"; return 1; }
	for deb in "$new"/debs/*.deb; do
		dpkg -x "$deb" "$new/tree" || { echo "$(basename "$deb") cannot be unpacked"; return 1; }
	done
}

# Makes of the Emacs unpacked in FOLDER/tree a program FOLDER/emacs that runs from wherever the folder is.
apt_emacs() { # FOLDER PROGRAM
	# The dump lies beside the program, where it looks: 28 takes --dump-file for an unknown option in a graphical session.
	cp "$1"/tree/usr/libexec/emacs/[0-9]*/*/*.pdmp "$1/tree/usr/bin/$2.pdmp" || return
	cat >"$1/emacs" <<-'EOC'
		#!/bin/sh
		# Emacs as it was unpacked beside this file, wherever that is.
		tree=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)/tree
		one() { printf '%s\n' "$1"; }
		share=$(one "$tree"/usr/share/emacs/[0-9]*)
		LD_LIBRARY_PATH=$(one "$tree"/usr/lib/*-linux-*)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
		EMACSLOADPATH=$share/lisp EMACSDATA=$share/etc EMACSDOC=$share/etc EMACSPATH=$(one "$tree"/usr/libexec/emacs/[0-9]*/*)
		XDG_DATA_DIRS=$tree/usr/share:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}
		export LD_LIBRARY_PATH EMACSLOADPATH EMACSDATA EMACSDOC EMACSPATH XDG_DATA_DIRS
	EOC
	echo "exec \"\$tree/usr/bin/$2\" \"\$@\"" >>"$1/emacs"
	chmod +x "$1/emacs"
}

# What an installation of its libraries would have made: GTK aborts where it cannot tell what kind of file an icon is.
apt_databases() { # FOLDER
	local tree=$1/tree
	[ -x "$tree/usr/bin/update-mime-database" ] || return 0
	XDG_DATA_DIRS=$tree/usr/share LD_LIBRARY_PATH=$(echo "$tree"/usr/lib/*-linux-*) "$tree/usr/bin/update-mime-database" "$tree/usr/share/mime" >"$1/log" 2>&1
}

# What was made in FOLDER moves to HOME, without what it took to fetch it.
apt_settle() { # FOLDER HOME
	rm -rf "$1/debs" "$1/lists" "$1/cache" "$2"
	chmod 755 "$1"
	mv "$1" "$2"
}
