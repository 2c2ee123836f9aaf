# Wherry: build, test, install.  `make help` lists the targets.
#
# Sources are found by wildcard: a new .c in lib/, launcher/, handler/ or tools/wherryctl/ is built without touching this
# file, and a program is skipped as long as its main file is missing.  Everything made goes below $(BUILD).
#
#   BUILD=dir     where to build (build)          CC=clang       another compiler (gcc)
#   VARIANT=name  release|asan|fuzz|coverage|     V=1            show the commands
#                 valgrind (release)              SUITES='...'   which suites `make test` runs

VERSION := 0.1.0

BUILD   ?= build
VARIANT ?= release
ifeq ($(origin CC),default)
CC := gcc
endif
AR      ?= ar
PKG_CONFIG ?= pkg-config
ARCH    ?= $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
# all processors unless the caller says otherwise
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

ifeq ($(V),1)
Q :=
say :=
else
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(patsubst $(CURDIR)/%,%,$(2))';
endif

# --- sources ----------------------------------------------------------------------------------------------------------
csources = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))

STATIC_SRC    := $(wildcard launcher/init.c launcher/init_*.c launcher/jail.c launcher/jail_*.c launcher/copy.c)
lib_SRC       := $(call csources,lib)
launcher_SRC  := $(filter-out launcher/main.c launcher/setup_main.c $(STATIC_SRC),$(call csources,launcher))
handler_SRC   := $(filter-out handler/main.c,$(call csources,handler))
wherryctl_SRC := $(filter-out tools/wherryctl/main.c,$(call csources,tools/wherryctl))
support_SRC   := $(sort $(wildcard tests/unit/support*.c))
unit_SRC      := $(sort $(shell find tests/unit -name 'test_*.c' 2>/dev/null))
fuzz_SRC      := $(sort $(wildcard tests/fuzz/fuzz_*.c))
helper_SRC    := $(sort $(wildcard tests/helpers/*.c))
POLICIES      := $(if $(wildcard tools/policyc.c),$(sort $(wildcard policies/*.allow)))

PROTOS        := $(sort $(wildcard handler/node/*.proto))
PROTO_C       := $(patsubst handler/node/%.proto,$(BUILD)/gen/%.pb-c.c,$(PROTOS))
PROTO_OBJ     := $(patsubst $(BUILD)/gen/%.c,$(BUILD)/obj/gen/%.o,$(PROTO_C))

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
# objects of programs that are linked statically against libc alone: no sanitizer, no coverage
sobjs = $(patsubst %.c,$(BUILD)/sobj/%.o,$(1))

# --- libraries, one list per layer; the linker drops what a program does not use ---------------------------------------
PKG_lib       := glib-2.0 gio-2.0 gio-unix-2.0 json-c yaml-0.1 libcap-ng libarchive
PKG_launcher  := libvirt libvirt-qemu libnl-3.0 libnl-route-3.0 libcgroup libxml-2.0
PKG_handler   := libcurl libnghttp2 libprotobuf-c libmicrohttpd gnutls
PKG_test      := check
PKG_policyc   := libseccomp
PKG_all       := $(PKG_lib) $(PKG_launcher) $(PKG_handler) $(PKG_test) $(PKG_policyc)

pkg_libs      = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
# without the directory that the compiler searches anyway (libcurl names it)
PKG_CFLAGS   := $(patsubst -I%,-isystem %,$(filter-out -I/usr/include/%-linux-gnu,$(shell $(PKG_CONFIG) --cflags $(PKG_all) 2>/dev/null)))
LIBS_lib     := $(call pkg_libs,$(PKG_lib))
LIBS_launcher := $(call pkg_libs,$(PKG_launcher))
LIBS_handler := $(call pkg_libs,$(PKG_handler))
LIBS_test    := $(call pkg_libs,$(PKG_test))
LIBS_policyc := $(call pkg_libs,$(PKG_policyc))

# --- flags ------------------------------------------------------------------------------------------------------------
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith -Wwrite-strings \
            -Wundef -Wformat=2 -Werror
HARDEN   := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
ifeq ($(ARCH),x86_64)
HARDEN   += -fcf-protection
endif
CPPFLAGS_wry := -D_GNU_SOURCE= -DWRY_VERSION='"$(VERSION)"' -Iinclude -I$(BUILD)/gen -I. $(PKG_CFLAGS)
CFLAGS_wry   := -std=gnu11 -fPIE $(WARNINGS)
LDFLAGS_wry  := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed

FLAGS_release  := $(HARDEN)
FLAGS_asan     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
FLAGS_coverage := -O0 -g --coverage
FLAGS_valgrind := -O1 -g -fno-omit-frame-pointer
FLAGS_fuzz     := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
                  -fno-sanitize-recover=undefined -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
VARIANT_FLAGS  := $(FLAGS_$(VARIANT))
ifeq ($(VARIANT_FLAGS),)
$(error VARIANT=$(VARIANT) is none of release, asan, coverage, valgrind, fuzz)
endif

COMPILE  = $(CC) $(CPPFLAGS_wry) $(CPPFLAGS) $(CFLAGS_wry) $(VARIANT_FLAGS) $(CFLAGS) -MMD -MP
SCOMPILE = $(CC) $(CPPFLAGS_wry) $(CPPFLAGS) $(CFLAGS_wry) $(HARDEN) $(CFLAGS) -MMD -MP
LINK     = $(CC) $(VARIANT_FLAGS) $(CFLAGS) $(LDFLAGS_wry) $(LDFLAGS)
# init's code has a fixed low address, apart from every other program's: its system call policy tells callers by that.
STATIC   := -static-pie
$(BUILD)/launcher-init: STATIC := -static
SLINK    = $(CC) $(HARDEN) $(CFLAGS) $(STATIC) -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)

# --- what is built ----------------------------------------------------------------------------------------------------
program = $(if $(wildcard $(2)),$(BUILD)/$(1))
PROGRAMS := $(call program,launcher,launcher/main.c) $(call program,launcher-setup,launcher/setup_main.c) $(call program,launcher-init,launcher/init.c) \
            $(call program,launcher-jail,launcher/jail.c) $(call program,launcher-copy,launcher/copy.c) $(call program,handler,handler/main.c) \
            $(call program,wherryctl,tools/wherryctl/main.c) $(call program,policyc,tools/policyc.c)
HELPERS  := $(patsubst %.c,$(BUILD)/%,$(helper_SRC))
UNIT     := $(patsubst %.c,$(BUILD)/%,$(unit_SRC))
FUZZERS  := $(patsubst %.c,$(BUILD)/%,$(fuzz_SRC))
GENERATED := $(patsubst policies/%.allow,$(BUILD)/gen/policy_%.h,$(POLICIES)) $(PROTO_C:.c=.h)
A_lib       := $(BUILD)/libwherry.a
A_launcher  := $(BUILD)/liblauncher.a
A_handler   := $(BUILD)/libhandler.a
A_wherryctl := $(BUILD)/libwherryctl.a
A_all       := $(A_launcher) $(A_handler) $(A_wherryctl) $(A_lib)

.PHONY: all
all: $(PROGRAMS) $(A_all)  ## build every program (default)

ALL_OBJ := $(call objs,$(lib_SRC) $(launcher_SRC) $(handler_SRC) $(wherryctl_SRC) $(support_SRC) $(unit_SRC) $(fuzz_SRC) \
             launcher/main.c launcher/setup_main.c handler/main.c tools/wherryctl/main.c) $(call sobjs,$(STATIC_SRC) $(helper_SRC))

# --- stamps: rebuild when flags or the list of sources change -----------------------------------------------------------
.PHONY: FORCE
FORCE:
stamp = @mkdir -p $(dir $(2)); printf '%s\n' '$(subst ','\'',$(1))' >$(2).new; \
        if cmp -s $(2).new $(2); then rm $(2).new; else mv $(2).new $(2); fi

MISSING := $(if $(PKG_CFLAGS),,$(shell for p in $(PKG_all); do $(PKG_CONFIG) --exists $$p 2>/dev/null || echo $$p; done))
$(BUILD)/stamp/flags: FORCE
	$(if $(MISSING),@echo "missing libraries: $(MISSING)"; echo "install them with: tools/deps build"; exit 1)
	$(call stamp,$(COMPILE) -- $(SCOMPILE) -- $(LINK),$@)
$(BUILD)/stamp/%.list: FORCE
	$(call stamp,$($*_SRC),$@)

# --- objects, archives, programs ----------------------------------------------------------------------------------------
$(BUILD)/obj/%.o: %.c $(BUILD)/stamp/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) -c $< -o $@
$(BUILD)/sobj/%.o: %.c $(BUILD)/stamp/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(SCOMPILE) -c $< -o $@
# lib/ and wherryctl include nothing that is generated
$(filter-out $(BUILD)/obj/lib/% $(BUILD)/obj/tools/%,$(ALL_OBJ)): | $(GENERATED)

# messages of the kubelet's interface; what the generator writes is compiled without our warnings
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: handler/node/%.proto
	@mkdir -p $(@D)
	$(call say,PROTO,$<)protoc-c --proto_path=$(<D) --c_out=$(BUILD)/gen $<
$(PROTO_OBJ): $(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/stamp/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) -w -c $< -o $@
$(A_handler): $(PROTO_OBJ)

define archive
$(A_$(1)): $(call objs,$($(1)_SRC)) $(BUILD)/stamp/$(1).list
	$$(call say,AR,$$@)rm -f $$@; $(AR) rcsD $$@ $$(filter %.o,$$^)
endef
$(foreach a,lib launcher handler wherryctl,$(eval $(call archive,$(a))))

$(BUILD)/launcher: $(BUILD)/obj/launcher/main.o $(A_launcher) $(A_lib)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_launcher) $(LIBS_lib) -o $@
$(BUILD)/launcher-setup: $(BUILD)/obj/launcher/setup_main.o $(A_launcher) $(A_lib)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_launcher) $(LIBS_lib) -o $@
$(BUILD)/handler: $(BUILD)/obj/handler/main.o $(A_handler) $(A_lib)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_handler) $(LIBS_lib) -o $@
$(BUILD)/wherryctl: $(BUILD)/obj/tools/wherryctl/main.o $(A_wherryctl) $(A_lib)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_lib) -o $@
$(BUILD)/launcher-init: $(call sobjs,$(filter launcher/init%,$(STATIC_SRC)))
	$(call say,LINK,$@)$(SLINK) $^ -o $@
$(BUILD)/launcher-jail: $(call sobjs,$(filter launcher/jail%,$(STATIC_SRC)))
	$(call say,LINK,$@)$(SLINK) $^ -o $@
$(BUILD)/launcher-copy: $(call sobjs,$(filter launcher/copy%,$(STATIC_SRC)))
	$(call say,LINK,$@)$(SLINK) $^ -o $@

# The policy compiler makes headers that objects include, so its own object must not wait for them.
$(BUILD)/policyc: tools/policyc.c $(BUILD)/stamp/flags
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(SCOMPILE) -MF $@.d $(LDFLAGS_wry) $(LDFLAGS) $< $(LIBS_policyc) -o $@
$(BUILD)/gen/policy_%.h: policies/%.allow $(BUILD)/policyc
	@mkdir -p $(@D)
	$(call say,POLICY,$<)$(BUILD)/policyc --arch $(ARCH) $< -o $@

# --- test programs ------------------------------------------------------------------------------------------------------
$(UNIT): $(BUILD)/%: $(BUILD)/obj/%.o $(call objs,$(support_SRC)) $(A_all)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) $(filter %.o,$^) $(A_all) $(A_lib) $(LIBS_test) $(LIBS_launcher) $(LIBS_handler) $(LIBS_lib) -o $@
$(FUZZERS): $(BUILD)/%: $(BUILD)/obj/%.o $(A_all)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) -fsanitize=fuzzer $< $(A_all) $(A_lib) $(LIBS_launcher) $(LIBS_handler) $(LIBS_lib) -o $@
$(HELPERS): $(BUILD)/%: $(BUILD)/sobj/%.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(SLINK) $< -o $@

.SECONDARY:
-include $(ALL_OBJ:.o=.d) $(BUILD)/policyc.d

# Every header stands alone: it compiles by itself, whatever was included before it.
HEADERS    := $(sort $(shell find include lib launcher handler tools/wherryctl -name '*.h' 2>/dev/null))
HEADERS_OK := $(patsubst %,$(BUILD)/headers/%.ok,$(HEADERS))
$(HEADERS_OK): $(BUILD)/headers/%.ok: % $(BUILD)/stamp/flags
	@mkdir -p $(@D)
	$(call say,HEADER,$<)echo '#include "$<"' | $(COMPILE) -MF $@.d -MT $@ -x c -c - -o $@
-include $(HEADERS_OK:=.d)

.PHONY: clean
clean:  ## remove everything that was built
	rm -rf $(BUILD)

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sort -u | awk -F':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

include $(sort $(wildcard mk/*.mk))
