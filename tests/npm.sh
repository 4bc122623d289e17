# npm.sh - packages of npm for the tests, in a folder below build/, made once whoever comes first; sourced.
# shellcheck shell=bash

# Ends with 77 where the registry is out of reach, which is nobody's fault here.
npm_reach() { # WHAT WHY
	timeout "$("$here/tests/patience.py" 60)" npm ping --fetch-retries=0 >/dev/null 2>&1 && return
	echo "SKIP: $1: the registry is out of reach${2:+: $2}"
	exit 77
}

# FOLDER gets what PACKAGE.JSON names, and PACKAGES; nothing is done where that is there.
npm_folder() { # WHAT FOLDER PACKAGE.JSON PACKAGE...
	local what=$1 folder=$2 wanted=$3 here=$PWD home lock
	shift 3
	cmp -s "$wanted" "$folder/installed.json" && return
	command -v node >/dev/null && command -v npm >/dev/null || { echo "$what: there is no node or npm here (tests/deps.sh test installs them)"; exit 1; }
	mkdir -p "$(dirname "$folder")"
	exec {lock}>"$folder.lock"
	flock "$lock"
	if ! cmp -s "$wanted" "$folder/installed.json"; then
		rm -rf "$folder.new"
		mkdir -p "$folder.new" && cp "$wanted" "$folder.new/package.json" || exit 1
		# The person's own npm settings count, not those of a test's empty home.
		home=$(getent passwd "$(id -u)" | cut -d: -f6)
		HOME=$home npm_reach "$what"
		if ! (cd "$folder.new" && HOME=$home timeout "$("$here/tests/patience.py" 240)" \
			npm install --no-package-lock --no-audit --no-fund --loglevel=error "$@") >"$folder.new/install.log" 2>&1; then
			HOME=$home npm_reach "$what" "$(grep -m 1 . "$folder.new/install.log")"
			echo "$what: npm cannot install them: $(grep -m 1 . "$folder.new/install.log")"
			exit 1
		fi
		cp "$wanted" "$folder.new/installed.json"
		rm -rf "$folder"
		mv "$folder.new" "$folder"
	fi
	exec {lock}>&-
}
