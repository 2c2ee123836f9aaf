# The comparison with KubeVirt's behaviour corpus.  Included by the Makefile.

CORPUS_PROGRAM := $(BUILD)/tests/corpus/corpus

CORPUS_OBJ := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/corpus/*.c handler/controller/pod*.c))

$(CORPUS_PROGRAM): $(CORPUS_OBJ) $(A_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_lib) -o $@
-include $(CORPUS_OBJ:.o=.d)

.PHONY: corpus-program
corpus-program: $(CORPUS_PROGRAM)  ## build the comparison
test-programs: corpus-program
.PHONY: test-corpus
test-corpus: corpus-program  ## compare with KubeVirt's behaviour corpus (CORPUS=DIR)
	@$(RUN) corpus
