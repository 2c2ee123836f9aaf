# Stand-ins for libraries that the launcher does not need: see tools/leanlibs.  Included by the Makefile.
LEAN := $(if $(filter release,$(VARIANT)),$(if $(wildcard tools/leanlibs),$(BUILD)/lean/.made))

all: $(LEAN)
$(BUILD)/lean/.made: tools/leanlibs $(BUILD)/launcher
	$(call say,LEAN,$(@D))CC='$(CC)' tools/leanlibs $(BUILD)/launcher $(@D)
	@touch $@
