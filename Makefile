# hakmem lab: one Makefile for all folders. Each folder's build.mk names its programs, libraries and
# tests with the functions below. `make help` lists the targets.
#
#   SAN=address,undefined   build and test with sanitizers, in a directory of its own
#   CC=gcc-13               another gcc
#   V=1                     show the commands

VERSION := 0.1.0

MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

comma := ,
SAN ?=
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
CXX := $(if $(filter default undefined,$(origin CXX)),g++,$(CXX))
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' $(1) $(2))

# A configuration is a directory: build/ itself is the default one.
CONFIG := $(strip $(if $(SAN),$(subst $(comma),-,$(SAN))) $(if $(filter gcc,$(CC)),,$(notdir $(CC))))
BUILD := build$(if $(CONFIG),/config/$(subst $() $(),-,$(CONFIG)))

PYTHON := .venv/bin/python
PREFIX ?= /usr/local
DESTDIR ?=

CPPFLAGS := -D_GNU_SOURCE -DHAK_VERSION='"$(VERSION)"' -I.
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wpointer-arith \
	-Wvla -Wwrite-strings -Wno-missing-field-initializers -Werror
BASE_CFLAGS := -std=gnu17 -fPIC -fvisibility=hidden -fno-semantic-interposition \
	-fno-omit-frame-pointer -pthread $(WARNINGS) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
LDFLAGS ?=
BASE_LDFLAGS := -pthread -Wl,--as-needed -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN))

# Filled by the build.mk files.
PROGRAMS :=#  build/NAME
SHARED :=#    build/libNAME.so
ARCHIVES :=#  build/libNAME.a
UNITS :=#     unit tests: programs that print TAP
HELPERS :=#   programs that tests run
PYTESTS :=#   integration tests: files for pytest
BENCHES :=#   make targets, each one benchmark
SOAKS :=#     make targets, each one long run
FUZZERS :=#   make targets, each one fuzzer's bounded run
MANPAGES :=
HEADERS :=

# Objects of source files, C or C++.
objects = $(patsubst %,$(BUILD)/obj/%.o,$(basename $(1)))

# $(eval $(call program,NAME,SOURCES,LIBRARIES,LDFLAGS)): build/NAME. A library is a file or -lNAME.
define program
PROGRAMS += $(BUILD)/$(1)
$(call link,$(BUILD)/$(1),$(2),$(3),$(4))
endef

# $(eval $(call helper,FILE,SOURCES,LIBRARIES,LDFLAGS)): build/tests/FILE, for tests to run.
define helper
HELPERS += $(BUILD)/tests/$(1)
$(call link,$(BUILD)/tests/$(1),$(2),$(3),$(4))
endef

# $(eval $(call unit,FILE,SOURCES,LIBRARIES,LDFLAGS)): build/tests/FILE, a cmocka program.
define unit
UNITS += $(BUILD)/tests/$(1)
$(call link,$(BUILD)/tests/$(1),$(2),$(3) -lcmocka,$(4))
endef

# $(eval $(call shared,NAME,SOURCES,LIBRARIES,LDFLAGS)): build/libNAME.so.
define shared
SHARED += $(BUILD)/lib$(1).so
$(call link,$(BUILD)/lib$(1).so,$(2),$(3),-shared -Wl$(comma)-z$(comma)defs $(4))
endef

# $(eval $(call archive,NAME,SOURCES)): build/libNAME.a.
define archive
ARCHIVES += $(BUILD)/lib$(1).a
$(BUILD)/lib$(1).a: $(call objects,$(2))
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $$^
endef

# $(eval $(call sealed_archive,NAME,SOURCES)): build/libNAME.a of one object, linked as a whole or not
# at all, whose hidden names do not meet the program's.
define sealed_archive
ARCHIVES += $(BUILD)/lib$(1).a
$(BUILD)/lib$(1).a: $(call objects,$(2))
	$$(call say,AR,$$@)
	$$(Q)$(LD) -r -o $(BUILD)/obj/$(1).o $$^ && objcopy --localize-hidden $(BUILD)/obj/$(1).o
	$$(Q)rm -f $$@ && $(AR) rcs $$@ $(BUILD)/obj/$(1).o
endef

define link
$(1): $(call objects,$(2)) $(filter-out -l%,$(3))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$(if $(filter %.cc,$(2)),$(CXX),$(CC)) $(BASE_LDFLAGS) $(4) $(LDFLAGS) -o $$@ \
		$(call objects,$(2)) $(3)
endef

# Extra compiler flags for one folder's (or one object's) code: CFLAGS_allocator := ...
folder_flags = $(CFLAGS_$(firstword $(subst /, ,$(1)))) $(CFLAGS_$(1))

-include $(wildcard traces/build.mk recorder/build.mk replayer/build.mk allocator/build.mk \
	analysis/build.mk) $(sort $(wildcard tests/*/build.mk))

# After the build.mk files, so that a change of any of them rebuilds.
$(BUILD)/obj/%.o: %.c $(MAKEFILE_LIST)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) $(call folder_flags,$*) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.cc $(MAKEFILE_LIST)
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(filter-out -std=gnu17 -Wstrict-prototypes -Wmissing-prototypes,$(BASE_CFLAGS)) \
		-std=gnu++17 $(CFLAGS) $(call folder_flags,$*) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# Completions for bash and zsh, made from what the programs' --help prints.
COMPLETIONS := $(BUILD)/completions
$(COMPLETIONS)/made: completions.py $(PROGRAMS)
	$(call say,MAKE,$(COMPLETIONS))
	$(Q)python3 completions.py $(COMPLETIONS) $(PROGRAMS) && touch $@

.PHONY: all setup demo test soak bench shared check-style fuzz install clean help

all: $(PROGRAMS) $(SHARED) $(ARCHIVES) $(COMPLETIONS)/made ## build all programs and libraries into build/

shared: $(BUILD)/libhakmem.so ## build libhakmem.so alone

setup: ## install Debian packages and the Python environment; nothing when all is there
	$(Q)sh setup.sh

demo: ## set up, build, record a real program, replay it on every allocator, show the table
	$(Q)sh setup.sh
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) sh demo.sh

test: ## set up, build, run all tests
	$(Q)sh setup.sh
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)HAK_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/run.py $(if $(SAN),--sanitized) \
		--units $(UNITS) --pytests $(PYTESTS)

.PHONY: test-programs $(BENCHES) $(SOAKS) $(FUZZERS)
test-programs: all $(UNITS) $(HELPERS)

bench: $(BENCHES) ## run every benchmark; JSON lines under build/bench/
soak: $(SOAKS) ## the long runs: minutes to hours
fuzz: $(FUZZERS) ## run each fuzzer for a bounded time
$(BENCHES) $(SOAKS): export HAK_BUILD := $(abspath $(BUILD))
$(BENCHES) $(SOAKS): test-programs

check-style: ## folder and file order, format, lint, types
	$(Q)$(PYTHON) tests/style.py

install: all ## install under DESTDIR/PREFIX
	install -d $(DESTDIR)$(PREFIX)/{bin,lib/pkgconfig,include,share/man/man1}
	install -d $(DESTDIR)$(PREFIX)/share/{bash-completion/completions,zsh/site-functions}
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(SHARED) $(DESTDIR)$(PREFIX)/lib
	install -m 644 $(ARCHIVES) $(DESTDIR)$(PREFIX)/lib
	install -m 644 $(HEADERS) $(DESTDIR)$(PREFIX)/include
	install -m 644 $(MANPAGES) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(COMPLETIONS)/bash/* $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 $(COMPLETIONS)/zsh/* $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' allocator/hakmem.pc.in \
		> $(DESTDIR)$(PREFIX)/lib/pkgconfig/hakmem.pc

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 16
