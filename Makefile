# Everything is found by where it lies: a new file below the folders of SRC_DIRS needs no line here.
#
#   make           ./stasis                          make demo    a running program saved and started again
#   make deps      what is missing, from Debian      make check   all tests (T=fd/timerfd: only these)
#   make lint      budgets, layout, formatting       make bench   ratios against a measured floor
#   make install   DESTDIR= PREFIX= CRIU_COMPAT=1    make soak    the tests N times over (T=..., N=50)
#   make fuzz      damaged images (clang, SECONDS=60)  make check-vm  the tests under other kernels, emulated (T=)
#
# SAN=1 builds with the address and undefined-behaviour sanitizers, beside the usual build; V=1 shows the commands.

CC ?= gcc
PREFIX ?= /usr/local
PROTOC_C ?= protoc-c
OBJCOPY ?= objcopy
READELF ?= readelf

ifdef SAN
B := build-san
STASIS := $(B)/stasis
SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -Wno-error
else
B := build
STASIS := stasis
endif

PACKAGES := libprotobuf-c libnl-3.0 libcap libzstd liblz4 libxxhash libbpf libnftables
# Loaded when they are needed: lib/late.h.
LATE_PACKAGES := libarchive gnutls
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PACKAGES) $(LATE_PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PACKAGES)))$(PKG_LIBS)

BASE_CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -I$(B) -I$(B)/images -O2 -g
STRICT := -Wall -Wextra -Werror
DEP_FLAGS = -MMD -MP

# --- what there is ------------------------------------------------------------------------------

SRC_DIRS := lib cli dump restore parasite images pages lazy migrate
SRC_DIRS += $(foreach d,dump restore images,$(addprefix $(d)/,fd task mm ns))
FREESTANDING := parasite/runner.c restore/stub.c
SRCS := $(filter-out $(FREESTANDING),$(wildcard $(addsuffix /*.c,$(SRC_DIRS))))
PROTOS := $(wildcard images/*.proto images/*/*.proto cli/*.proto)
PB_SRCS := $(PROTOS:%.proto=$(B)/%.pb-c.c)
PB_HDRS := $(PROTOS:%.proto=$(B)/%.pb-c.h)

BLOBS := $(if $(wildcard parasite/runner.c),$(B)/parasite/runner_blob.o)
BLOBS += $(if $(wildcard restore/stub.c restore/stub.S),$(B)/restore/stub_elf.o)
PB_OBJS := $(PB_SRCS:%.c=%.o)
OBJS := $(SRCS:%.c=$(B)/%.o) $(PB_OBJS) $(BLOBS)
LIB_OBJS := $(filter-out $(B)/cli/main.o,$(OBJS))

VICTIM_SRCS := $(wildcard test/fd/*.c test/task/*.c test/mm/*.c test/ns/*.c test/freeze/*.c test/safety/*.c test/compat/*.c)
VICTIMS := $(VICTIM_SRCS:%.c=$(B)/%)
VICTIM_LIB := $(B)/test/lib/victim.o
REAPER := $(B)/test/lib/reaper
UNIT_SRCS := $(filter-out $(VICTIM_SRCS),$(wildcard test/*/*_test.c))
UNITS := $(UNIT_SRCS:%.c=$(B)/%)
BENCH_SRCS := $(wildcard test/bench/*.c)
BENCHES := $(BENCH_SRCS:%.c=$(B)/%)

ifndef V
.SILENT:
endif
say = printf '  %-5s %s\n' $(1) $@

.PHONY: all victims tests deps check check-vm lint demo bench soak fuzz install clean
.SECONDARY:
.DELETE_ON_ERROR:

all: $(STASIS)

$(STASIS): $(OBJS)
	$(call say,LD)
	$(CC) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread

# --- compiling ----------------------------------------------------------------------------------

$(B)/images/%.pb-c.c $(B)/images/%.pb-c.h: images/%.proto
	mkdir -p $(B)/images
	$(call say,PROTO)
	$(PROTOC_C) -I images --c_out=$(B)/images $<

$(B)/cli/%.pb-c.c $(B)/cli/%.pb-c.h: cli/%.proto
	mkdir -p $(B)/cli
	$(call say,PROTO)
	$(PROTOC_C) -I cli --c_out=$(B)/cli $<

$(PB_OBJS): %.o: %.c | $(PB_HDRS)
	$(call say,CC)
	$(CC) $(BASE_CFLAGS) $(PKG_CFLAGS) $(CFLAGS) $(DEP_FLAGS) -c -o $@ $<

$(B)/%.o: %.c | $(PB_HDRS)
	mkdir -p $(@D)
	$(call say,CC)
	$(CC) $(BASE_CFLAGS) $(STRICT) $(PKG_CFLAGS) $(SAN_FLAGS) $(CFLAGS) $(DEP_FLAGS) -c -o $@ $<

# How fields are shown stands behind them in the .proto files.
$(B)/cli/show_message.o: $(B)/cli/formats.inc
$(B)/cli/formats.inc: cli/formats.awk $(PROTOS)
	mkdir -p $(@D)
	$(call say,AWK)
	awk -f $^ | LC_ALL=C sort >$@

# --- what runs inside other processes: no libc, no relocations, carried inside the program -------

FREE_CFLAGS := -ffreestanding -fno-builtin -fno-stack-protector -fno-asynchronous-unwind-tables
FREE_CFLAGS += -fPIE -fvisibility=hidden -fcf-protection=none -mgeneral-regs-only -U_FORTIFY_SOURCE -g0
FREE_LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack

FREE_OBJS := $(B)/parasite/runner.o $(B)/restore/stub.o
$(B)/parasite/runner.o: parasite/runner.c
$(B)/restore/stub.o: $(wildcard restore/stub.c restore/stub.S)
$(FREE_OBJS):
	mkdir -p $(@D)
	$(call say,CC)
	$(CC) $(BASE_CFLAGS) $(FREE_CFLAGS) $(STRICT) $(DEP_FLAGS) -c -o $@ $<
	if $(READELF) -rW $@ | grep -E 'R_X86_64_(64|32S?) |R_AARCH64_ABS'; then \
		echo "$<: holds an absolute address, so it could not run just anywhere" >&2; exit 1; fi

$(B)/parasite/runner.elf: $(B)/parasite/runner.o parasite/runner.lds
	$(call say,LD)
	$(CC) $(FREE_LDFLAGS) -Wl,-T,parasite/runner.lds -o $@ $<

$(B)/parasite/runner.bin: $(B)/parasite/runner.elf
	$(OBJCOPY) -O binary $< $@

$(B)/restore/stub.elf: $(B)/restore/stub.o restore/stub.lds
	$(call say,LD)
	$(CC) $(FREE_LDFLAGS) -Wl,-s -Wl,-T,restore/stub.lds -o $@ $<

# $(call embed,FILE,SYMBOL): an object that carries FILE between SYMBOL_start and SYMBOL_end.
embed = printf '%s\n' '.section .rodata' '.balign 16' '.globl $(2)_start, $(2)_end' '$(2)_start:' \
	'.incbin "$(1)"' '$(2)_end:' '.section .note.GNU-stack,"",%progbits' | $(CC) -x assembler -c -o $@ -

$(B)/parasite/runner_blob.o: $(B)/parasite/runner.bin
	$(call embed,$<,runner_blob)

$(B)/restore/stub_elf.o: $(B)/restore/stub.elf
	$(call embed,$<,stub_elf)

# --- tests --------------------------------------------------------------------------------------

# Victims are ordinary programs: never built with the sanitizers, whose shadow memory is in the way.
$(VICTIMS:%=%.o) $(VICTIM_LIB) $(REAPER).o: SAN_FLAGS :=

$(VICTIMS): %: %.o $(VICTIM_LIB)
	$(call say,LD)
	$(CC) $(LDFLAGS) -o $@ $^ -lpthread -lrt

$(UNITS): %: %.o $(LIB_OBJS)
	$(call say,LD)
	$(CC) $(SAN_FLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lpthread

# The floor of the benchmark is a static program, and so are the libraries in it.
$(BENCHES): %: %.o
	$(CC) -static $(LDFLAGS) -o $@ $^ $(if $(filter %squeeze,$@),-lzstd -llz4) -lpthread

$(REAPER): %: %.o
	$(CC) $(LDFLAGS) -o $@ $^

victims: $(VICTIMS) $(REAPER)

tests: victims $(UNITS)

SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
# With the sanitizers all is slower by far, and a soak takes more rounds of some tests.
AS_ROOT = $(SUDO) env $(if $(SAN)$(SOAK),LIMIT=$${LIMIT:-1800}) $(if $(SOAK),SOAK=1) STASIS=$(CURDIR)/$(STASIS) BUILD=$(CURDIR)/$(B) $(if $(CRIU),CRIU=$(CRIU))

deps:
	test/deps.sh $(DEPS)

# deps comes before the build, so the build is a make of its own.
check soak: DEPS = check
check: deps
	$(MAKE) --no-print-directory all tests
	$(AS_ROOT) test/run.sh $(T)

# Built before, by us: root's files in build/ would be in the way.
check-vm: DEPS = vm
check-vm: deps
	$(MAKE) --no-print-directory all tests $(B)/test/vm/init
	test/vm/fetch.sh
	$(AS_ROOT) test/vm/check.sh $(T)

# In a guest there is no libc yet.
$(B)/test/vm/init: $(B)/test/vm/init.o
	$(CC) -static $(LDFLAGS) -o $@ $^

demo: deps
	$(MAKE) --no-print-directory all
	$(AS_ROOT) test/demo.sh

bench: deps
	$(MAKE) --no-print-directory all $(BENCHES)
	$(AS_ROOT) test/bench/bench.py

# With coverage of what reads images, so another compilation of just that; each fuzzer for SECONDS.
FUZZERS := image_fuzz packed_fuzz request_fuzz files_fuzz
FUZZ_SRCS = $(if $(filter files_fuzz,$*),$(filter-out cli/main.c,$(SRCS)) $(BLOBS),$(FUZZ_FEW))
FUZZ_FEW := $(wildcard images/*.c lib/*.c cli/show*.c cli/options*.c) cli/json.c cli/commands.c cli/config.c
FUZZ_FEW += cli/rpc_options.c cli/rpc_message.c
SECONDS ?= 60
fuzz: $(FUZZERS:%=fuzz-%)
fuzz-%: $(B)/cli/formats.inc $(PB_HDRS) $(BLOBS)
	mkdir -p $(B)/test/fuzz/corpus-$*
	clang $(BASE_CFLAGS) $(PKG_CFLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-o $(B)/test/fuzz/$* test/fuzz/$*.c $(FUZZ_SRCS) $(PB_SRCS) $(PKG_LIBS) -lpthread
	cd $(B)/test/fuzz && ./$* -max_total_time=$(SECONDS) -max_len=4096 corpus-$*

N ?= 50
soak: SOAK = 1
soak: deps
	$(MAKE) --no-print-directory all tests
	for i in $$(seq $(N)); do echo "round $$i of $(N)"; $(AS_ROOT) test/run.sh $(T) || exit 1; done

lint:
	test/deps.sh lint
	test/lint/run.sh

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0755 stasis $(DESTDIR)$(PREFIX)/sbin/stasis
	for m in $(wildcard docs/*.1); do install -m 0644 $$m $(DESTDIR)$(PREFIX)/share/man/man1; done
	$(if $(CRIU_COMPAT),ln -sf stasis $(DESTDIR)$(PREFIX)/sbin/criu)

clean:
	rm -rf build build-san stasis

-include $(shell find $(B) -name '*.d' 2>/dev/null)
