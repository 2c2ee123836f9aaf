# The program that drives the client of API servers for its tests.  Included by the Makefile.
KUBE_PROBE := $(BUILD)/tests/kube/probe

$(KUBE_PROBE): $(BUILD)/obj/tests/kube/probe.o $(A_handler) $(A_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_handler) $(LIBS_lib) -o $@
$(BUILD)/obj/tests/kube/probe.o: | $(GENERATED)
-include $(BUILD)/obj/tests/kube/probe.d

test-programs: $(KUBE_PROBE)
.PHONY: test-kube
test-kube: $(KUBE_PROBE)  ## the client of API servers against a server with faults
	@$(RUN) kube
