# The CustomResourceDefinitions of deploy/crds/, generated from the decoder's field tables.  Included by the Makefile.
CRDGEN       := $(BUILD)/crdgen
CRDGEN_OBJ   := $(call objs,$(sort $(wildcard tools/crdgen/*.c)))
DESCRIPTIONS := tools/crdgen/descriptions.txt

$(CRDGEN): $(CRDGEN_OBJ) $(A_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_lib) -o $@
-include $(CRDGEN_OBJ:.o=.d)

all: $(if $(CRDGEN_OBJ),$(CRDGEN))
.PHONY: crds
crds: $(CRDGEN)  ## write deploy/crds/ from the field tables
	$(Q)$(CRDGEN) $(DESCRIPTIONS) deploy/crds

# What tests/deploy asks an API server about.
PODS_PROGRAM := $(BUILD)/tests/deploy/pods
$(PODS_PROGRAM): $(BUILD)/obj/tests/deploy/pods.o $(A_handler) $(A_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(LINK) $^ $(LIBS_handler) $(LIBS_lib) -o $@
-include $(BUILD)/obj/tests/deploy/pods.d
test-programs: $(PODS_PROGRAM)
