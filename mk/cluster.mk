# A real Kubernetes on this machine, and images without a registry.  Included by the Makefile.
CLUSTER := tests/cluster/ctl --build $(BUILD)

.PHONY: images
images:  ## handler and launcher as container images with SPDX documents, guests as containerDisks; loaded when a cluster is up
	@tools/deps build run cluster
	@$(MAKE) --no-print-directory all
	@$(CLUSTER) images

.PHONY: cluster
cluster:  ## a real one-node Kubernetes in namespaces of its own, with Wherry on it (built once, then under a minute)
	@tools/deps build run cluster
	@$(MAKE) --no-print-directory all $(HELPERS)
	@$(CLUSTER) up
.PHONY: cluster-down
cluster-down:  ## end the cluster; nothing of it stays
	@$(CLUSTER) down
.PHONY: cluster-shell
cluster-shell:  ## a shell on the cluster's node, or CMD='...' there
	@$(CLUSTER) shell $(if $(CMD),'$(subst ','\'',$(CMD))')
.PHONY: test-cluster
test-cluster: test-programs  ## the cluster, and Wherry on it
	@tools/deps cluster
	@$(RUN) cluster
