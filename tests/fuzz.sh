#!/bin/bash
# fuzz.sh [NAME [SECONDS]] - fuzzes with tests/fuzz/NAME.c, or with each in turn, SECONDS each
# (default 60).  Starts from tests/fuzz/corpus/NAME; what it finds on the way stays in
# build/fuzz/found/NAME, an input that breaks something in build/fuzz/broken.
# fuzz.sh keep NAME - some of the inputs that reach what the corpus does not join it.
set -u
cd "$(dirname "$0")/.." || exit 1
kept=45000 # bytes of one corpus
files=100  # and inputs that join it at once

# A clang that has libFuzzer: the plain one or one with a version in its name.
find_clang() {
	local clang trial
	trial=$(mktemp) || return 1
	for clang in ${FUZZ_CC:-} clang clang-{30..14}; do
		command -v "$clang" >/dev/null || continue
		echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n); int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return p && !n; }' |
			"$clang" -fsanitize=fuzzer,address,undefined -x c - -o "$trial" 2>/dev/null || continue
		rm -f "$trial"
		echo "$clang"
		return
	done
	rm -f "$trial"
	return 1
}

keep() { # NAME
	local name=$1 merged size total file
	total=$(cat "tests/fuzz/corpus/$name"/* | wc -c)
	merged=$(mktemp -d)
	cp "tests/fuzz/corpus/$name"/* "$merged"
	build/fuzz/bin/"$name" -merge=1 "$merged" tests/fuzz/corpus/"$name" build/fuzz/found/"$name" >"$merged.log" 2>&1 || tail -n 5 "$merged.log"
	for file in $(ls -S "$merged" | shuf -n $files --random-source=/dev/zero); do
		size=$(stat -c %s "$merged/$file")
		[ $((total += size)) -gt $kept ] && break
		cp "$merged/$file" "tests/fuzz/corpus/$name/"
	done
	rm -rf "$merged" "$merged.log"
	du -sb "tests/fuzz/corpus/$name"
}

run() { # NAME SECONDS
	local name=$1 log=build/fuzz/$1.log status
	mkdir -p "build/fuzz/found/$name" build/fuzz/broken
	build/fuzz/bin/"$name" -max_total_time="$2" -timeout=20 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
		-artifact_prefix="build/fuzz/broken/$name-" "build/fuzz/found/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1
	status=$?
	printf '%-8s %s, %s executions, %s\n' "$name" "$([ $status = 0 ] && echo clean || echo BROKEN)" \
		"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
		"$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -n 1)"
	[ $status = 0 ] || grep -E 'does not hold|ERROR|SUMMARY|runtime error|Test unit written' "$log"
	return $status
}

clang=$(find_clang) || { echo "SKIP: no clang with libFuzzer here (Debian: clang and libclang-rt-N-dev)"; exit 77; }
want=${1:-}
[ "$want" = keep ] && want=$2
make --no-print-directory CC="$clang" B=build/fuzz FUZZING=1 "${want:+build/fuzz/bin/}${want:-fuzz-programs}" || exit 1
if [ "${1:-}" = keep ]; then
	keep "$2"
	exit
fi
failed=0
for file in tests/fuzz/*.c; do
	name=$(basename "$file" .c)
	[ "$name" = replay ] || { [ -n "${1:-}" ] && [ "$name" != "$1" ]; } && continue
	run "$name" "${2:-60}" || failed=1
done
exit $failed
