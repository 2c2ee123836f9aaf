# Tests, lint, bench, variants.  Included by the Makefile.
#
# A suite is whatever tests/run knows by name; it prints any output and, as its last line, `N passed, N failed[, N skipped]`.
# tests/run adds the suites up.  Variants build into a folder of their own below $(BUILD), so they never disturb the release
# build.

FUZZ_SECONDS ?= 10
# quick ones first; a new folder with a `run` is a suite without a line here
SUITES       ?= unit $(filter-out bench cluster system node,$(patsubst tests/%/run,%,$(sort $(wildcard tests/*/run)))) system cluster node
RUN          := tests/run --build $(BUILD)
variant       = $(MAKE) --no-print-directory VARIANT=$(1) BUILD=$(BUILD)/$(1)

.PHONY: deps
deps:  ## install what is missing from Debian to build, run and test
	@tools/deps build run test cluster

# A second make: the first one was parsed before the libraries were installed.  Kubernetes is built before the suites, whose
# time is limited; one that needs it and does not find it says so.
.PHONY: test
test: deps  ## install what is missing, build, run every suite, one summary
	@$(MAKE) --no-print-directory test-programs
	@$(CLUSTER) build || true
	@$(RUN) $(SUITES)

.PHONY: test-programs
test-programs: all unit-programs $(HELPERS)  ## build the programs and the test programs
.PHONY: unit-programs
unit-programs: $(UNIT)  ## build the unit test programs
.PHONY: fuzz-programs
fuzz-programs: $(FUZZERS)  ## build the fuzzers (needs VARIANT=fuzz CC=clang)

.PHONY: test-unit
test-unit: all unit-programs  ## unit tests
	@$(RUN) unit
.PHONY: test-golden
test-golden: test-programs  ## golden pairs: manifest to domain XML
	@$(RUN) golden
.PHONY: test-system
test-system: test-programs  ## system tests with real QEMU on this machine
	@$(RUN) system
.PHONY: test-node
test-node: test-programs  ## the installed service on a real node (a Debian VM)
	@$(RUN) node
.PHONY: test-long
test-long: test-programs  ## every suite with long settings: more crash points, more seeds, 60 s per fuzzer
	@WRY_TEST_LONG=1 $(RUN) $(SUITES)
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=60

.PHONY: asan
asan:  ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@+$(call variant,asan) all unit-programs
	@tests/run --build $(BUILD)/asan --label asan unit
.PHONY: valgrind
valgrind:  ## unit tests under valgrind
	@+$(call variant,valgrind) all unit-programs
	@tests/run --build $(BUILD)/valgrind --label valgrind --valgrind unit
.PHONY: coverage
coverage:  ## unit tests with line coverage, a figure per file
	@+$(call variant,coverage) all unit-programs
	@find $(BUILD)/coverage -name '*.gcda' -delete
	@tests/run --build $(BUILD)/coverage --label coverage unit
	@tools/coverage $(BUILD)/coverage
.PHONY: fuzz
fuzz:  ## every fuzzer for FUZZ_SECONDS (10) with clang's libFuzzer
	@+$(call variant,fuzz) CC=clang fuzz-programs
	@tests/run --build $(BUILD)/fuzz --seconds $(FUZZ_SECONDS) fuzz

.PHONY: lint
lint: lint-rules lint-clang  ## layers, one place per library, paths, sizes, comments, shell scripts, clang build
.PHONY: lint-rules
lint-rules:  ## lint without the compiler run
	@tools/lint
.PHONY: lint-clang
lint-clang:  ## everything must also compile with clang, warnings as errors, and every header by itself
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang all unit-programs headers
.PHONY: headers
headers: $(HEADERS_OK)  ## compile every header by itself

.PHONY: bench
bench: all  ## measure against bare QEMU and virsh, write build/bench.json
	@tests/bench/run --build $(BUILD)

.PHONY: run
run:  ## install what is missing, build, boot a Linux guest from a manifest, attach its console
	@tools/deps build run
	@$(MAKE) --no-print-directory all
	@tools/run --build $(BUILD)
