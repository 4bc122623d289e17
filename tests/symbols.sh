#!/bin/bash
# symbols.sh - what the two programs show and need: the module exports what Emacs asks
# for and nothing else, the bridge stays light.  B is the folder they were built in.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${B:-build}
bad=0

exported=$(nm -D --defined-only "$build/efrit-mcp-module.so" | awk '{ print $NF }' | grep -v -e '^__odr_asan' -e '^_\(init\|fini\|edata\|end\|_bss_start\)$' | sort | tr '\n' ' ')
if [ "$exported" != "emacs_module_init plugin_is_GPL_compatible " ]; then
	echo "$build/efrit-mcp-module.so exports: $exported"
	bad=1
fi

needed=$(readelf -d "$build/efrit-bridge" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ -n "$needed" ] || { echo "$build/efrit-bridge names no libraries"; bad=1; }
for library in $needed; do
	case $library in
	libev.so.* | libjansson.so.* | libpcre2-8.so.* | libsodium.so.* | libc.so.* | libm.so.* | ld-linux*.so.*) ;;
	libasan.so.* | libubsan.so.* | libtsan.so.* | libgcc_s.so.*) [ "$build" != build ] || { echo "$build/efrit-bridge needs $library"; bad=1; } ;;
	*) echo "$build/efrit-bridge needs $library"; bad=1 ;;
	esac
done

# The parser of HTTP, TLS and SQLite are the gateway's alone; it stays ours to say what it is linked with.
needed=$(readelf -d "$build/efrit-gateway" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for library in $needed; do
	case $library in
	libev.so.* | libjansson.so.* | libpcre2-8.so.* | libsodium.so.* | libsqlite3.so.* | libssl.so.* | libcrypto.so.* | libllhttp.so.* | libc.so.* | libm.so.* | ld-linux*.so.*) ;;
	libasan.so.* | libubsan.so.* | libtsan.so.* | libgcc_s.so.*) [ "$build" != build ] || { echo "$build/efrit-gateway needs $library"; bad=1; } ;;
	*) echo "$build/efrit-gateway needs $library"; bad=1 ;;
	esac
done
exit $bad
