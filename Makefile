# efrit-mcp: `make` builds, `make demo` shows, `make check` tests.  `make help` lists the rest.

VERSION := $(shell sed -n 's/^;; Version: *//p' lisp/efrit-mcp.el)
CC ?= gcc
EMACS ?= emacs
B := build

comma := ,
# SAN=address,undefined or SAN=thread builds beside, in build/san-...
ifdef SAN
B := build/san-$(subst $(comma),-,$(SAN))
SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

# os.h, child.h, wire/socket.h, wire/shared.h: linux, or portable (what runs where there is no inotify, /proc
# or accept4; OS=portable builds it on Linux, beside, in build/portable)
NATIVE := $(if $(filter Linux,$(shell uname -s)),linux,portable)
OS ?= $(NATIVE)
ifneq ($(OS),$(NATIVE))
B := $(B)/$(OS)
endif

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(if $(CI),-Werror)
CFLAGS ?= -O2 -g
ALLFLAGS = -std=gnu11 -D_GNU_SOURCE -DEFRIT_MCP_VERSION='"$(VERSION)"' -Imodule -Ibridge $(if $(LLHTTP),-isystem /usr/share/include/llhttp) -MMD -MP $(WARN) $(CFLAGS) $(SANFLAGS)

WIRE := buf ledger runtime shared_$(OS) socket_$(OS) socket_pass trust wire
MODULE := answers body child_$(OS) efrit-mcp-module events express frames history interrupt job json lisp listen peer presence queue queue_note queue_stop reply_text server status waiters
SOURCES := $(filter-out bridge/os_linux% bridge/os_portable%,$(wildcard bridge/*.c bridge/*/*.c)) $(wildcard bridge/os_$(OS)*.c)
# What only one of the two programs has: the bridge stays light, the gateway has no stdin.
HEAVY := $(addprefix bridge/,main_gateway.c main_serve.c main_listen.c main_handover.c main_lookout.c main_state.c main_load.c load_mix.c load_report.c main_reload.c \
	main_migrate.c migrate_settings.c migrate_queue.c migrate_request.c main_top.c top_source.c top_view.c \
	front/chunks.c front/conn.c front/conn_out.c front/conns.c front/head.c front/syntax.c front/tls.c) $(wildcard bridge/front/http*.c)
LIGHT := $(addprefix bridge/,main_bridge.c main_commands.c main_config.c main_doctor.c front/stdio.c)
BRIDGE := $(filter-out $(HEAVY) bridge/store/%,$(SOURCES))
GATEWAY := $(filter-out $(LIGHT),$(SOURCES))
# Node's HTTP parser, which Debian has as sources: node-llhttp, later libllhttp-dev.
LLHTTP := $(wildcard /usr/share/llhttp/api.c /usr/share/llhttp/http.c /usr/share/llhttp/llhttp.c)
# Without what package-vc writes beside it.
LISP := $(filter-out %-autoloads.el %-pkg.el,$(wildcard lisp/efrit-mcp*.el))

WIRE_O := $(WIRE:%=$(B)/o/module/wire/%.o)
MODULE_O := $(MODULE:%=$(B)/o/module/%.o) $(WIRE_O)
BRIDGE_O := $(BRIDGE:%.c=$(B)/o/%.o) $(B)/o/catalogue_text.o $(WIRE_O)
GATEWAY_O := $(GATEWAY:%.c=$(B)/o/%.o) $(LLHTTP:/usr/share/%.c=$(B)/o/%.o) $(B)/o/catalogue_text.o $(WIRE_O)
GATEWAY_LIBS := -lev -ljansson -lpcre2-8 -lsodium -lsqlite3 -lm -lpthread -lssl -lcrypto $(if $(LLHTTP),,-lllhttp)
ELC := $(LISP:.el=.elc)

# V=1 shows the commands.
say = $(if $(V),,@echo '  $(1)  $@'; )

.PHONY: all module bridge gateway lisp eln man info deps demo check clean help
.DELETE_ON_ERROR:

all: module bridge gateway lisp
module: $(B)/efrit-mcp-module.so
bridge: $(B)/efrit-bridge
gateway: $(B)/efrit-gateway
lisp: $(ELC)

# Renamed into place: an Emacs that starts meanwhile loads the old one or the new one, whole.
$(B)/efrit-mcp-module.so: $(MODULE_O)
	$(call say,LD)$(CC) -shared $(SANFLAGS) $(LDFLAGS) -o $@.new $^ -ljansson -lev -lpthread && mv $@.new $@

$(B)/efrit-bridge: $(BRIDGE_O)
	$(call say,LD)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed -lev -ljansson -lpcre2-8 -lsodium -lm

$(B)/efrit-gateway: $(GATEWAY_O)
	$(call say,LD)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(GATEWAY_LIBS)

# Not ours to be warned about.
$(B)/o/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=gnu11 -isystem /usr/share/include/llhttp -w $(CFLAGS) $(SANFLAGS) -c -o $@ $<

$(B)/o/module/%.o: module/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALLFLAGS) -fPIC -fvisibility=hidden -c -o $@ $<

$(B)/o/bridge/%.o: bridge/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALLFLAGS) -c -o $@ $<

# The tools as the Lisp defines them, for a bridge that has not met an Emacs yet.
$(B)/catalogue_text.c: $(ELC)
	@mkdir -p $(@D)
	$(call say,GEN)"$(EMACS)" -Q --batch -L lisp -l efrit-mcp-catalogue -f efrit-mcp-catalogue-write-c $@

$(B)/o/catalogue_text.o: $(B)/catalogue_text.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALLFLAGS) -c -o $@ $<

# One Emacs for all files: the macros of one are used by the next.
$(ELC) &: $(LISP)
	$(call say,ELC)"$(EMACS)" -Q --batch -L lisp --eval '(setq byte-compile-error-on-warn $(if $(CI),t,nil) load-prefer-newer t)' -f batch-byte-compile $(LISP)

# What Emacs does by itself, in the background, when it has loaded a file for the first
# time; found by it where EMACSNATIVELOADPATH says build/eln.
eln: $(ELC)
	$(call say,ELN)"$(EMACS)" -Q --batch -L lisp -l tests/eln.el $(B)/eln $(LISP)

# From the tables of the bridge; a test says when it was forgotten.
man: $(B)/efrit-bridge
	$(call say,MAN)$(B)/efrit-bridge --man > bridge/efrit-bridge.1.new && mv bridge/efrit-bridge.1.new bridge/efrit-bridge.1

# The manual: its settings, commands and tools from the Lisp, then Info.
info: $(ELC)
	@tests/deps.sh manual
	@mkdir -p build
	$(call say,MAN)"$(EMACS)" -Q --batch -L lisp -l efrit-mcp-manual -f efrit-mcp-manual-write lisp/efrit-mcp.texi
	$(call say,INFO)makeinfo --no-split -o build/efrit-mcp.info lisp/efrit-mcp.texi

deps:
	@tests/deps.sh build

demo:
	@tests/deps.sh demo
	@$(MAKE) --no-print-directory all
	@python3 tests/demo.py

check: deps
	@tests/deps.sh test
	@$(if $(SAN),$(MAKE) --no-print-directory CI=1 SAN= module,:)
	@$(MAKE) --no-print-directory CI=1 all check-programs
	@tests/run

include tests/Makefile.local

clean:
	rm -rf build lisp/*.elc

help:
	@echo 'make            build the module, the bridge, the gateway and the Lisp; make module, make bridge, ... one of them'
	@echo 'make eln        the Lisp as Emacs compiles it natively at its first use, for the measurements and some tests'
	@echo 'make man        the manual page of the bridge, from its tables'
	@echo 'make info       the manual for users: build/efrit-mcp.info'
	@echo 'make deps       install what the build misses'
	@echo 'make demo       a real session, explained'
	@echo 'make check      all tests; TEST=pattern for some, SAN=address,undefined with sanitizers, JOBS=n at a time'
	@echo 'make bench      what a call costs beside what others cost: tests/bench/RESULTS.md; five minutes'
	@echo 'make bench-count the instructions of a call beside those recorded in tests/bench/COUNT.md; RECORD=1 records them'
	@echo 'make bench-pool what several Emacsen do together: throughput, fairness, priorities, recovery; three minutes'
	@echo 'make check-portable, make check-trixie   the same on the portable file, on Debian trixie'
	@echo 'make fuzz       libFuzzer on all of tests/fuzz; FUZZ=name for one, TIME=seconds each'
	@echo 'make soak       an hour of everything at once, or SOAK=seconds'
	@echo 'make clean      remove what was built'

-include $(shell find $(B)/o -name '*.d' 2>/dev/null)
