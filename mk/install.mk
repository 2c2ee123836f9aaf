# Installation.  Included by the Makefile.
#
#   make install [PREFIX=/usr/local] [DESTDIR=]     PREFIX=/usr for a package
#
# systemd and udev look below /usr/lib, /usr/local/lib and /etc: under any other prefix their files go to /etc.

PREFIX       ?= /usr/local
DESTDIR      ?=
bindir       ?= $(PREFIX)/bin
libexecdir   ?= $(PREFIX)/libexec/wherry
mandir       ?= $(PREFIX)/share/man
bashdir      ?= $(PREFIX)/share/bash-completion/completions
zshdir       ?= $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
fishdir      ?= $(PREFIX)/share/fish/vendor_completions.d
docdir       ?= $(PREFIX)/share/doc/wherry
sysdir       := $(if $(filter /usr /usr/local,$(PREFIX)),$(PREFIX)/lib,/etc)
unitdir      ?= $(sysdir)/systemd/system
sysusersdir  ?= $(sysdir)/sysusers.d
tmpfilesdir  ?= $(sysdir)/tmpfiles.d
udevdir      ?= $(sysdir)/udev/rules.d

LIBEXEC := handler launcher launcher-setup launcher-init launcher-jail launcher-copy
UNITS   := $(patsubst deploy/systemd/%.in,%,$(wildcard deploy/systemd/*.in))
MANUALS := $(wildcard deploy/man/*.[1-8])
put      = install -D -m $(1) $(2) '$(DESTDIR)$(3)'

.PHONY: install
install: all  ## install below PREFIX (/usr/local), DESTDIR for packages: programs, systemd, udev, man pages, completions
	$(foreach p,$(LIBEXEC),$(call put,755,$(BUILD)/$(p),$(libexecdir)/$(p)) &&) true
	for l in $(BUILD)/lean/lib*; do [ ! -e "$$l" ] || $(call put,644,"$$l",$(libexecdir)/lean/)"$${l##*/}"; done
	$(call put,755,deploy/systemd/stop-guests,$(libexecdir)/stop-guests)
	$(call put,755,$(BUILD)/wherryctl,$(bindir)/wherryctl)
	@mkdir -p $(BUILD)/install
	$(foreach u,$(UNITS),sed 's|@libexecdir@|$(libexecdir)|g' deploy/systemd/$(u).in >$(BUILD)/install/$(u) && \
	  $(call put,644,$(BUILD)/install/$(u),$(unitdir)/$(u)) &&) true
	$(call put,644,deploy/sysusers/wherry.conf,$(sysusersdir)/wherry.conf)
	$(call put,644,deploy/tmpfiles/wherry.conf,$(tmpfilesdir)/wherry.conf)
	$(call put,644,deploy/udev/60-wherry.rules,$(udevdir)/60-wherry.rules)
	$(foreach m,$(MANUALS),$(call put,644,$(m),$(mandir)/man$(subst .,,$(suffix $(m)))/$(notdir $(m))) &&) true
	$(BUILD)/wherryctl completion bash >$(BUILD)/install/wherryctl.bash
	$(BUILD)/wherryctl completion zsh >$(BUILD)/install/wherryctl.zsh
	$(BUILD)/wherryctl completion fish >$(BUILD)/install/wherryctl.fish
	$(call put,644,$(BUILD)/install/wherryctl.bash,$(bashdir)/wherryctl)
	$(call put,644,$(BUILD)/install/wherryctl.zsh,$(zshdir)/_wherryctl)
	$(call put,644,$(BUILD)/install/wherryctl.fish,$(fishdir)/wherryctl.fish)
	$(foreach d,README.md LICENSE CHANGELOG.md,$(call put,644,$(d),$(docdir)/$(d)) &&) true
ifeq ($(DESTDIR),)
	@echo "then: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload &&" \
	  "systemctl enable --now wherry-guests wherry-handler"
endif
