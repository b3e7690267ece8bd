# vacancyd - see `make help`.  Everything a build writes is under build/.
#
# Layers (design: who may include whom) are folders; a new .c file in a known folder needs no line here.
SAN     ?=
VARIANT := $(or $(SAN),plain)
BUILD   ?= build/$(VARIANT)
PREFIX  ?= /usr/local
DESTDIR ?=
DOCDIR  ?= $(PREFIX)/share/doc/vacancyd
CC      ?= cc
CFLAGS  ?= -O2 -g
# Our own flags stay apart from CPPFLAGS, CFLAGS and LDFLAGS, which belong to the person or package that builds.
WARN    := -std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
           -Wpointer-arith -Wwrite-strings -Werror
PKGS     = libevent libevent_pthreads libnghttp2 openssl lmdb libprotobuf-c jansson inih $(shell pkg-config --exists libsystemd && echo libsystemd)

san_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
san_tsan := -fsanitize=thread -fno-omit-frame-pointer
SANFLAGS := $(san_$(SAN))
$(if $(SAN),$(if $(SANFLAGS),,$(error SAN=$(SAN): use asan or tsan)))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
PHONY := help deps all check check-long check-night demo demo-up demo-down bench bench-peers install uninstall clean format states lint

# The goals that need no compiler must work before `make deps` has run, so pkg-config is asked lazily.
pkg_cflags = $(eval pkg_cflags := $(shell pkg-config --cflags $(PKGS)))$(pkg_cflags)
pkg_libs   = $(eval pkg_libs := $(shell pkg-config --libs $(PKGS)) -lcsv)$(pkg_libs)
OURFLAGS   = -D_GNU_SOURCE -I. -I$(BUILD)/gen $(pkg_cflags) $(SANFLAGS) -pthread -fPIC

Q := $(if $(V),,@)

# --- what there is to build ------------------------------------------------------------------------------------
protos   := $(sort $(shell find proto -name '*.proto' 2>/dev/null))
gen_c    := $(protos:proto/%.proto=$(BUILD)/gen/%.pb-c.c) $(addprefix $(BUILD)/gen/google/protobuf/,any.pb-c.c duration.pb-c.c)
gen_h    := $(gen_c:.c=.h)
descset  := $(if $(protos),$(BUILD)/gen/vacancy.descriptors)

base_c   := $(sort $(wildcard daemon/base/*.c) $(wildcard proto/wire/*.c))
hub_c    := $(sort $(filter-out daemon/base/%,$(wildcard daemon/*/*.c)))
client_c := $(sort $(filter-out client/main.c,$(wildcard client/*.c)))
lib_c    := $(sort $(wildcard tests/lib/*.c))
unit_c   := $(sort $(wildcard tests/unit/test_*.c))
sim_c    := $(sort $(wildcard tests/sim/*.c))
sim_federation_c := $(sort $(wildcard tests/sim/federation/*.c))
oracle_c := $(sort $(wildcard tests/oracle/*.c))
bench_c  := $(sort $(wildcard tests/bench/*.c))
benchlib_c := $(sort $(wildcard tests/bench/lib/*.c))

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
libvacancy := $(BUILD)/libvacancy.a
libhub     := $(BUILD)/libhub.a
libclient  := $(BUILD)/libclient.a
libtest    := $(BUILD)/libtest.a
units      := $(unit_c:tests/unit/%.c=$(BUILD)/tests/%)
benches    := $(bench_c:tests/bench/%.c=$(BUILD)/bench/%)
programs   := $(BUILD)/vacancyd $(BUILD)/vacancy
checks     := $(units) $(if $(sim_c),$(BUILD)/tests/run_sim $(BUILD)/tests/run_sim_federation) $(if $(oracle_c),$(BUILD)/tests/run_oracle) $(BUILD)/tests/print_states

all: $(programs) $(if $(SAN),,build/vacancyd build/vacancy)   ## build the daemon and the client
build/vacancyd build/vacancy: build/%: | build/plain/%
	$(Q)ln -sfn plain/$* $@

# --- rules -----------------------------------------------------------------------------------------------------
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: proto/%.proto
	$(Q)mkdir -p $(BUILD)/gen
	$(Q)protoc-c --c_out=$(BUILD)/gen -Iproto -I/usr/include $<
$(BUILD)/gen/google/protobuf/%.pb-c.c $(BUILD)/gen/google/protobuf/%.pb-c.h &: /usr/include/google/protobuf/%.proto
	$(Q)mkdir -p $(BUILD)/gen
	$(Q)protoc-c --c_out=$(BUILD)/gen -I/usr/include $<
# What server reflection hands out: every .proto, with its comments.
$(BUILD)/gen/vacancy.descriptors: $(protos)
	$(Q)mkdir -p $(@D)
	$(Q)protoc --include_imports --descriptor_set_out=$@ -Iproto -I/usr/include $^

# Rewritten only when the compiler or its flags change, so `make CFLAGS=-O0` rebuilds and a plain `make` does not.
$(BUILD)/flags: FORCE
	$(Q)mkdir -p $(@D); echo '$(CC) $(WARN) $(OURFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)' | cmp -s - $@ || \
	  echo '$(CC) $(WARN) $(OURFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)' > $@
# Generated code is not held to our warnings.
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags | $(gen_h)
	$(Q)$(CC) $(OURFLAGS) $(CPPFLAGS) $(CFLAGS) -w -MMD -MP -c -o $@ $<
# .incbin takes these in, which -MMD does not see.
$(BUILD)/daemon/gazetteer/tables.o: $(wildcard daemon/gazetteer/data/NOTICE daemon/gazetteer/data/*.csv daemon/gazetteer/data/*/*.csv)
$(BUILD)/%.o: %.c $(BUILD)/flags | $(gen_h) $(descset)
	$(Q)mkdir -p $(@D)
	$(Q)echo "  CC   $<"
	$(Q)$(CC) $(WARN) $(OURFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# A search's time goes into short loops of a known number over words, which pay once they are unrolled.
$(addprefix $(BUILD)/daemon/match/match_,rules.o tree.o search.o): private CFLAGS := $(CFLAGS:-O2=-O3)

# The descriptors are built into the program (.incbin).
$(BUILD)/daemon/service/reflection.o: private OURFLAGS += -Wa,-I$(BUILD)/gen
$(BUILD)/daemon/service/reflection.o: $(descset)

$(libvacancy): $(call obj,$(base_c)) $(gen_c:.c=.o)
$(libhub): $(call obj,$(hub_c))
$(libclient): $(call obj,$(client_c))
$(libtest): $(call obj,$(lib_c))
$(libvacancy) $(libhub) $(libclient) $(libtest):
	$(Q)rm -f $@; $(AR) rcs $@ $^

$(BUILD)/vacancyd: $(call obj,$(wildcard daemon/*.c)) $(libhub) $(libvacancy)
$(BUILD)/vacancy: $(call obj,client/main.c) $(libclient) $(libvacancy)
$(units): $(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(libtest) $(libclient) $(libhub) $(libvacancy)
$(BUILD)/tests/run_sim: $(call obj,$(sim_c)) $(libhub) $(libvacancy)
$(BUILD)/tests/run_sim_federation: $(call obj,$(sim_federation_c) $(filter-out tests/sim/main.c,$(sim_c))) $(libhub) $(libvacancy)
$(BUILD)/tests/run_oracle: $(call obj,$(oracle_c)) $(libhub) $(libvacancy)
$(BUILD)/tests/print_states: $(BUILD)/tests/states/print_states.o $(libhub) $(libvacancy)
$(benches): $(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(call obj,$(benchlib_c)) $(libclient) $(libhub) $(libvacancy)
$(units): OURLIBS := -lcmocka
$(BUILD)/tests/run_sim_federation: OURLIBS := -Wl,--wrap=signature_verify
$(programs) $(checks) $(benches):
	$(Q)mkdir -p $(@D)
	$(Q)echo "  LD   $@"
	$(Q)$(CC) $(SANFLAGS) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(pkg_libs) $(OURLIBS) -lm

# --- people ----------------------------------------------------------------------------------------------------
# As many jobs as cores, unless whoever called make said how many.
MAKE_ALL = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
# Goals that need them run `deps` and then make again: what is installed meanwhile is news to a make that has looked.
deps:                    ## install what is missing (Debian packages; root or sudo)
	$(Q)tools/deps
check: deps              ## the tests, at most 20 minutes on two cores
	$(Q)$(MAKE_ALL) check-build
	$(Q)tests/run --tier check --build $(BUILD)
check-long: deps         ## more seeds, more kills, sanitizer variants: at most 50 minutes
	$(Q)tools/check-long
check-night: deps        ## as check-long, for as long as CHECK_SCALE says
	$(Q)CHECK_TIER=night tools/check-long
check-build: $(programs) $(if $(SAN),,build/vacancyd build/vacancy) $(checks)
demo: deps               ## nine hubs, the nation's register pushed to them, searches, one cut off and healed; then stops
	$(Q)$(MAKE_ALL) all
	$(Q)/usr/bin/python3 tests/demo/demo.py run
demo-up: deps            ## as demo up to the pushing; keeps the nine hubs running to play with
	$(Q)$(MAKE_ALL) all
	$(Q)/usr/bin/python3 tests/demo/demo.py up
demo-down:               ## stop what demo-up started
	$(Q)/usr/bin/python3 tests/demo/demo.py down
bench: deps              ## speed and memory as ratios, of one hub and of a federation, beside nghttpd, PostgreSQL and OpenLDAP where they are installed
	$(Q)$(MAKE_ALL) all $(benches)
	$(Q)BUILD=$(BUILD) /usr/bin/python3 tests/bench/run.py
bench-peers: deps        ## install what we are compared with (nghttpd, PostgreSQL, OpenLDAP), then bench
	$(Q)tests/bench/install_peers
	$(Q)$(MAKE_ALL) all $(benches)
	$(Q)BUILD=$(BUILD) /usr/bin/python3 tests/bench/run.py --peers
states: $(BUILD)/tests/print_states   ## print docs/states.md from the tables of states
	$(Q)$(BUILD)/tests/print_states >docs/states.md
lint:                    ## format, layers, buf, clang-tidy and cppcheck
	$(Q)tools/lint
format:                  ## clang-format every C file in place
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i
install: all             ## install under $(DESTDIR)$(PREFIX); the example configuration under /etc/vacancyd
	install -D -m 0755 $(BUILD)/vacancyd $(DESTDIR)$(PREFIX)/sbin/vacancyd
	install -D -m 0755 $(BUILD)/vacancy $(DESTDIR)$(PREFIX)/bin/vacancy
	install -D -m 0755 certs/vacancy-ca $(DESTDIR)$(PREFIX)/bin/vacancy-ca
	install -D -m 0644 daemon/vacancyd.8 $(DESTDIR)$(PREFIX)/share/man/man8/vacancyd.8
	install -D -m 0644 daemon/vacancyd.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/vacancyd.conf.5
	install -D -m 0644 client/vacancy.1 $(DESTDIR)$(PREFIX)/share/man/man1/vacancy.1
	install -D -m 0644 daemon/vacancyd.conf.example $(DESTDIR)/etc/vacancyd/vacancyd.conf.example
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(addprefix $(DESTDIR)$(DOCDIR)/,certs reference-data/languages)
	install -m 0644 README.md CHANGELOG.md LICENSE $(DESTDIR)$(DOCDIR)
	install -D -m 0644 docs/states.md $(DESTDIR)$(DOCDIR)/docs/states.md
	install -m 0644 certs/README.md $(DESTDIR)$(DOCDIR)/certs
	install -m 0644 daemon/gazetteer/data/NOTICE $(DESTDIR)$(DOCDIR)/reference-data
	install -m 0644 $(addprefix daemon/gazetteer/data/languages/,LICENSE NOTICE) $(DESTDIR)$(DOCDIR)/reference-data/languages
	sed 's|@PREFIX@|$(PREFIX)|' daemon/vacancyd.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/vacancyd.service
uninstall:               ## undo install; configuration and data stay
	$(RM) $(addprefix $(DESTDIR)$(PREFIX)/,sbin/vacancyd bin/vacancy bin/vacancy-ca share/man/man8/vacancyd.8 \
	  share/man/man5/vacancyd.conf.5 share/man/man1/vacancy.1 lib/systemd/system/vacancyd.service)
	$(RM) $(DESTDIR)/etc/vacancyd/vacancyd.conf.example
	$(RM) $(addprefix $(DESTDIR)$(DOCDIR)/,README.md CHANGELOG.md LICENSE docs/states.md certs/README.md reference-data/NOTICE \
	  reference-data/languages/LICENSE reference-data/languages/NOTICE)
	rmdir $(addprefix $(DESTDIR)$(DOCDIR)/,docs certs reference-data/languages reference-data) $(DESTDIR)$(DOCDIR) 2>/dev/null || true
clean:                   ## remove build/
	$(Q)rm -rf build
help:                    ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14
	@echo 'variables:    SAN=asan|tsan  PREFIX=dir  DESTDIR=dir  CHECK_SCALE=1.0  V=1'
FORCE:
.PHONY: FORCE check-build $(PHONY)
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
