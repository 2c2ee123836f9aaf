# Parts that are measured alone.  Included by the Makefile.
BENCH_PROGRAM := $(BUILD)/tests/bench/parts

$(BENCH_PROGRAM): $(BUILD)/obj/tests/bench/parts.o $(A_launcher) $(A_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_launcher) $(LIBS_lib) -o $@
$(BUILD)/obj/tests/bench/parts.o: | $(GENERATED)
-include $(BUILD)/obj/tests/bench/parts.d

BENCH_KUBE := $(BUILD)/tests/bench/kube

$(BENCH_KUBE): $(BUILD)/obj/tests/bench/kube.o $(A_handler) $(A_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_handler) $(LIBS_lib) -o $@
$(BUILD)/obj/tests/bench/kube.o: | $(GENERATED)
-include $(BUILD)/obj/tests/bench/kube.d

bench: $(BENCH_PROGRAM) $(BENCH_KUBE)
