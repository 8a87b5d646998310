# Programs and libraries that the tests record and replay: build/tests/workloads/.

WORKLOADS_C := prime storm hotloop heights handler churn edges forker forkers forkstorm execer spawner daemoniser \
	progress limit descriptors pluginhost hello confined waiter toucher extended early late stepper brood together crowd widow leave baton \
	scribbler beside pace
WORKLOADS_CXX := exits fibers operators team stubborn unloadable forkinnew
WORKLOAD_PLUGINS := plugin-a:1111 plugin-b:2222
WORKLOAD_TLS := 64 2048 16384

$(foreach name,$(WORKLOADS_C),$(eval $(call helper,workloads/$(name),tests/workloads/$(name).c,-ldl)))
$(foreach name,$(WORKLOADS_CXX),$(eval $(call helper,workloads/$(name),tests/workloads/$(name).cc)))
# No sanitizer goes into a static program.
$(if $(SAN),,$(eval $(call helper,workloads/hello-static,tests/workloads/hello.c,,-static)))
$(eval $(call helper,workloads/libbump.so,tests/workloads/bump.c,,-shared))
$(eval $(call helper,workloads/libreuse.so,tests/workloads/reuse.c,,-shared))
$(eval $(call helper,workloads/librefuse.so,tests/workloads/refuse.c,,-shared))
$(eval $(call helper,workloads/libfussy.so,tests/workloads/fussy.c,,-shared))

# Its allocator calls it back.
$(eval $(call helper,workloads/descent,tests/workloads/descent.c,,-rdynamic))

# Allocations must be made as written, never folded away, and from where they are written: a call at a
# function's end must not become a jump, which would return elsewhere.
$(foreach name,$(WORKLOADS_C) $(WORKLOADS_CXX) descent bump reuse fussy,$(eval \
	CFLAGS_tests/workloads/$(name) := -fno-builtin -fno-allocation-dce -fno-optimize-sibling-calls))
# A block outlives a realloc that failed; the compiler cannot know that it will.
CFLAGS_tests/workloads/edges += -Wno-use-after-free

# One source, several libraries: a number in the name goes into the code.
workload_library = $(BUILD)/tests/workloads/lib$(1).so

define workload_variant
HELPERS += $(call workload_library,$(1))
$(call workload_library,$(1)): tests/workloads/$(2).c $(MAKEFILE_LIST)
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(BASE_CFLAGS) $$(CFLAGS) -fno-builtin $(3) -shared $$(LDFLAGS) -o $$@ $$<
endef

$(foreach bytes,$(WORKLOAD_TLS),$(eval \
	$(call workload_variant,statictls-$(bytes),statictls,-DSTATIC_TLS_BYTES=$(bytes))))
$(foreach plugin,$(WORKLOAD_PLUGINS),$(eval $(call workload_variant,$(firstword \
	$(subst :, ,$(plugin))),plugin,-DPLUGIN_BYTES=$(lastword $(subst :, ,$(plugin))))))

# A program of another C library.
ifneq ($(shell command -v musl-gcc),)
HELPERS += $(BUILD)/tests/workloads/hello-musl
$(BUILD)/tests/workloads/hello-musl: tests/workloads/hello.c
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)musl-gcc -O2 -o $@ $<
endif
