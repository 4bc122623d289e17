# apt.sh - packages fetched and unpacked for the tests, not installed; sourced by the scripts that do it.
# shellcheck shell=bash

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

# apt of its own in FOLDER, that knows these suites of the machine's mirror and touches nothing else.
apt_of_its_own() { # FOLDER CODENAME SUITE...
	local new=$1 codename=$2 uri key suite
	shift 2
	read -r uri key < <(own_source "$codename"; echo)
	[ -n "${uri:-}" ] || { echo "the apt sources name no mirror of $codename"; return 1; }
	mkdir -p "$new/lists/partial" "$new/cache/archives/partial" "$new/debs"
	for suite in "$@"; do
		echo "deb ${key:+[signed-by=$key] }$uri $suite main"
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
	timeout 120 apt-get update >"$new/log" 2>&1 || { echo "apt-get update failed: $(tail -n 1 "$new/log")"; return 1; }
}

# Fetches PACKAGES into FOLDER/debs and unpacks them into FOLDER/root.
apt_unpack() { # FOLDER PACKAGE...
	local new=$1 deb
	shift
	(cd "$new/debs" && timeout 300 apt-get download "$@") >"$new/log" 2>&1 ||
		{ echo "apt-get download failed: $(grep -m 1 '^E:' "$new/log")"; return 1; }
	for deb in "$new"/debs/*.deb; do
		dpkg -x "$deb" "$new/root" || { echo "$(basename "$deb") cannot be unpacked"; return 1; }
	done
}
