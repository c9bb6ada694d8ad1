# looptap's build: this one Makefile, whose products all land in $(BUILD). `make help` lists the tasks.
#
# On a fresh machine the compiler and pkg-config are installed by the first target that runs, `deps`. Whatever asks them
# something is therefore a recursive variable (=), expanded in the recipes that come after it.

PREFIX ?= /usr/local
# Sanitizers for the exporter and the unit tests, never for the probe: SANITIZE=address,undefined or SANITIZE=thread.
SANITIZE ?=
comma := ,
BUILD ?= build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))

PKG_CONFIG ?= pkg-config
CLANG ?= clang
CLANGXX ?= clang++
MUSL_GCC ?= musl-gcc

# Victims (tests/victims/*.c) that are also built against musl, and statically.
MUSL_VICTIMS := plain_epoll
STATIC_VICTIMS := plain_epoll

export BUILD

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

.PHONY: help build test demo install format check-format clean deps check-shared-headers test-programs FORCE

help: ## list these tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-21s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Variables: V=1 shows the commands; BUILD, SANITIZE, PREFIX, DESTDIR; CC, CXX, CPPFLAGS, CXXFLAGS, LDFLAGS.'
	@echo 'Warnings are errors where the environment sets CI.'

build: $(BUILD)/looptap $(BUILD)/liblooptap.so ## compile the exporter and the probe (the default)

test: build check-shared-headers test-programs ## run every test
	tests/run

demo: build ## watch a program block its event loop
	deploy/examples/demo

install: build ## install under DESTDIR and PREFIX (/usr/local)
	install -D -m 755 '$(BUILD)/looptap' '$(DESTDIR)$(PREFIX)/bin/looptap'
	install -D -m 644 '$(BUILD)/liblooptap.so' '$(DESTDIR)$(PREFIX)/lib/looptap/liblooptap.so'
	install -D -m 644 -t '$(DESTDIR)$(PREFIX)/share/doc/looptap' README.md LICENSE

format: ## reformat the tracked C and C++ files
	@deploy/deps format
	@files=$$(git ls-files '*.h' '*.cc' '*.c') && echo "$$files" | xargs -r clang-format -i

check-format: ## tell which of them are not formatted
	@deploy/deps format
	@files=$$(git ls-files '*.h' '*.cc' '*.c') && echo "$$files" | xargs -r clang-format --dry-run --Werror

clean: ## remove what was built
	rm -rf -- '$(BUILD)'

# Only these goals do without the packages of the tests.
package_sets := build $(if $(filter-out build demo install help clean \
  $(BUILD)/looptap $(BUILD)/liblooptap.so,$(or $(MAKECMDGOALS),build)),test)

deps: ## install the Debian packages that the build and the tests need
	@deploy/deps $(package_sets)

# How commands are shown: `  CXX   exporter/main.cc`, or in full where V=1.
Q := $(if $(filter-out 0,$(V)),,@)
say = $(if $(Q),@printf '  %-5s %s\n' '$1' '$2')

# ---- Flags --------------------------------------------------------------------------------------------------------

warnings = -Wall -Wextra $(if $(CI),-Werror)

# CPPFLAGS, CXXFLAGS and LDFLAGS are the user's. They stand before what the code cannot do without.
sanitize = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
exporter_flags = -O2 -g $(warnings) $(CPPFLAGS) $(CXXFLAGS) -std=c++20 -pthread -I. \
  $(shell $(PKG_CONFIG) --cflags prometheus-cpp-core) $(sanitize)
exporter_libs = $(shell $(PKG_CONFIG) --libs prometheus-cpp-core) -lcivetweb -lz -pthread

# x86_64, aarch64: names the assembly and the flags that belong to it.
arch = $(firstword $(subst -, ,$(shell $(CXX) -dumpmachine)))

# The probe runs inside programs that know nothing of it, and has no library to lean on: nothing may be woven into it
# that calls one (stack protector, fortified functions, sanitizers, libgcc's out-of-line atomics of aarch64).
probe_needs = -std=c++20 -O2 -g -fPIC -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics \
  -fno-stack-protector -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0 -fno-sanitize=all -fno-lto \
  -fvisibility=hidden -ftls-model=initial-exec -fasynchronous-unwind-tables $(probe_needs_$(arch))
probe_needs_x86_64 := -fcf-protection
probe_needs_aarch64 := -mno-outline-atomics
probe_flags = $(warnings) $(CPPFLAGS) $(CXXFLAGS) -I. $(probe_needs)
probe_link = -shared -nostdlib -fno-sanitize=all -fno-lto -Wl,-z,defs -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack \
  -Wl,--hash-style=both -Wl,--version-script=preload/probe.map -Wl,-soname,liblooptap.so

# Plain programs, as anybody would compile them.
victim_flags = -O1 -g $(warnings) -pthread -I.

# ---- Stamps: files that change when something changes which is not a file -----------------------------------------

quoted = '$(subst ','\'',$1)'
# Makes the target hold the line $1; its date stays if it did so already.
define hold
@mkdir -p $(@D)
@printf '%s\n' $(call quoted,$1) >$@.new; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
endef

# Every compiler and flag. All that is compiled depends on it, and through it on the packages.
$(BUILD)/flags: FORCE | deps
	$(call hold,$(CXX) $(exporter_flags) $(LDFLAGS) $(exporter_libs) | $(probe_flags) $(probe_link) | \
	  $(CC) $(MUSL_GCC) $(victim_flags) | $(CLANG) $(CLANGXX))

# What is linked: the exporter's sources and the unit tests. So a removed source disappears from the programs too.
$(BUILD)/sources: FORCE
	$(call hold,$(exporter_objects) $(unit_objects))

# Names the commit. Root, who installs, may ask about a tree that is not root's (safe.directory), and a commit that is
# being made at this moment must not meet a lock.
$(BUILD)/revision: FORCE
	$(call hold,$(shell [ -e .git ] && \
	  GIT_OPTIONAL_LOCKS=0 git -c safe.directory='*' describe --always --dirty 2>/dev/null))

# ---- The exporter -------------------------------------------------------------------------------------------------

exporter_objects := $(patsubst %.cc,$(BUILD)/obj/%.o,$(wildcard exporter/*.cc))

$(BUILD)/looptap: $(exporter_objects) $(BUILD)/sources
	$(call say,LINK,$@)
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) $(sanitize) $(filter %.o,$^) -o $@ $(exporter_libs)

# The one object that knows version and commit, lest each commit rebuild everything.
build_info := $(BUILD)/obj/exporter/build_info.o
$(build_info): VERSION $(BUILD)/revision
$(build_info): defines = -DLOOPTAP_VERSION='"$(file <VERSION)"' $(addprefix -DLOOPTAP_REVISION=,$(revision))
$(build_info): revision = $(patsubst %,'"%"',$(file <$(BUILD)/revision))

$(BUILD)/obj/%.o: %.cc $(BUILD)/flags
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(exporter_flags) $(defines) -MMD -MP -c $< -o $@

# ---- The probe: one translation unit, and a few instructions of assembly ------------------------------------------

probe_objects := $(BUILD)/obj/preload/probe.o $(BUILD)/obj/preload/syscall.o

$(BUILD)/liblooptap.so: $(probe_objects) preload/probe.map
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $(probe_objects) -o $@ $(probe_link)

$(BUILD)/obj/preload/probe.o: preload/probe.cc $(BUILD)/flags
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(probe_flags) -MMD -MP -c $< -o $@

$(BUILD)/obj/preload/syscall.o: $(wildcard preload/syscall_*.S) $(BUILD)/flags
	$(call say,AS,preload/syscall_$(arch).S)
	@mkdir -p $(@D)
	$(Q)$(CXX) -g -fPIC $(probe_needs_$(arch)) -I. -MMD -MP -c preload/syscall_$(arch).S -o $@

# ---- Headers: the shared ones serve C, C++ and BPF; every one compiles alone --------------------------------------

headers := $(wildcard preload/*.h exporter/*.h)
header_checks := $(headers:%=$(BUILD)/headers/%.ok)

check-shared-headers: $(BUILD)/clang/shared_headers.bpf.o $(BUILD)/clang/probe.o $(header_checks) ## compile the headers for BPF, by clang, and each alone

$(BUILD)/clang/shared_headers.bpf.o: tests/bpf_compile/shared_headers.c $(BUILD)/flags
	$(call say,BPF,$<)
	@mkdir -p $(@D) $(dir $(depfile))
	$(Q)$(CLANG) -target bpf -mcpu=v3 -O2 -g -ffreestanding -Wall -Werror -I. $(depflags) -c $< -o $@

$(BUILD)/clang/probe.o: preload/probe.cc $(BUILD)/flags
	$(call say,CLANG,$<)
	@mkdir -p $(@D) $(dir $(depfile))
	$(Q)$(CLANGXX) $(warnings) -I. $(probe_needs) $(depflags) -c $< -o $@

$(BUILD)/headers/preload/%.ok: header_flags = $(probe_flags)
$(BUILD)/headers/exporter/%.ok: header_flags = $(exporter_flags)
# These two are written in terms of operations which their includer defines.
$(patsubst %,$(BUILD)/headers/preload/%.h.ok,loop_state histogram_scheme): header_flags = \
  $(probe_flags) -include preload/operations.h
$(header_checks): $(BUILD)/headers/%.ok: % $(BUILD)/flags
	$(call say,ALONE,$<)
	@mkdir -p $(@D) $(dir $(depfile))
	$(Q)$(CXX) $(header_flags) $(depflags) -fsyntax-only -include $< -x c++ /dev/null
	@touch $@

# ---- What the tests run -------------------------------------------------------------------------------------------

unit_objects := $(patsubst %.cc,$(BUILD)/obj/%.o,$(wildcard tests/unit/*.cc))
victims := $(patsubst tests/%,$(BUILD)/tests/%,$(basename $(wildcard tests/victims/*.c tests/victims/*.cc)))
preloads := $(patsubst tests/%.c,$(BUILD)/tests/%.so,$(wildcard tests/preloads/*.c))

test-programs: $(BUILD)/tests/unit $(victims) $(preloads)
test-programs: $(MUSL_VICTIMS:%=$(BUILD)/tests/musl/%) $(STATIC_VICTIMS:%=$(BUILD)/tests/static/%)

# Catch2 3 is a library; version 2 is a header, and has no such module.
catch_libs = $(shell $(PKG_CONFIG) --silence-errors --libs catch2-with-main)

$(BUILD)/tests/unit: $(unit_objects) $(filter-out %/main.o,$(exporter_objects)) $(BUILD)/sources
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) $(sanitize) $(filter %.o,$^) -o $@ $(catch_libs) $(exporter_libs)

$(BUILD)/tests/victims/%: tests/victims/%.c $(BUILD)/flags
	$(call build_victim,CC,$(CC))

$(BUILD)/tests/victims/%: tests/victims/%.cc $(BUILD)/flags
	$(call build_victim,CXX,$(CXX) -std=c++20)

$(BUILD)/tests/musl/%: tests/victims/%.c $(BUILD)/flags
	$(call build_victim,MUSL,$(MUSL_GCC))

$(BUILD)/tests/static/%: tests/victims/%.c $(BUILD)/flags
	$(call build_victim,CC,$(CC) -static)

$(BUILD)/tests/preloads/%.so: tests/preloads/%.c $(BUILD)/flags
	$(call build_victim,CC,$(CC) -shared -fPIC)

define build_victim
$(call say,$1,$@)
@mkdir -p $(@D) $(dir $(depfile))
$(Q)$2 $(victim_flags) $(depflags) $< -o $@
endef

# ---- Dependencies on headers, written by the compilers ------------------------------------------------------------

depfile = $(BUILD)/obj/$(@:$(BUILD)/%=%).d
depflags = -MMD -MP -MF $(depfile) -MT $@

-include $(shell find '$(BUILD)/obj' -name '*.d' 2>/dev/null)
