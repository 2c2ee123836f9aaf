# Golden pairs manifest -> domain XML, and guest-visible facts against KubeVirt's behaviour corpus.  Included by the Makefile.
GOLDEN_PROGRAM := $(BUILD)/tests/golden/golden
GOLDEN_OBJ     := $(call objs,$(sort $(wildcard tests/golden/*.c)))

$(GOLDEN_PROGRAM): $(GOLDEN_OBJ) $(A_launcher) $(A_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_launcher) $(LIBS_lib) -o $@
-include $(GOLDEN_OBJ:.o=.d)

.PHONY: golden-program
golden-program: $(GOLDEN_PROGRAM)  ## build the golden comparison
test-programs: golden-program
