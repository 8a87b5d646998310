# libhakmem: the pools and the library's own functions, and the names of the C library and of C++.
ALLOCATOR_CORE := $(addprefix allocator/,os.c lock.c notice.c option.c class.c stat.c meta.c window.c \
	slab.c segment.c shard.c depot.c cache.c outbox.c estate.c whale.c stretch.c heap.c keep.c rule.c site.c thread.c pool.c alloc.c shortage.c \
	obey.c sited.c totals.c bandit.c learn.c hak.c part.c)
ALLOCATOR_NAMES := allocator/export.c allocator/operator.c

# Leaf functions of a dozen instructions: a frame pointer would be a quarter of them. A square root
# without errno is one instruction and needs no other library.
CFLAGS_allocator := -fomit-frame-pointer -fno-math-errno

HEADERS += allocator/hakmem.h
# Never unloaded: threads that have used it run its code at their end.
$(eval $(call shared,hakmem,$(ALLOCATOR_CORE) $(ALLOCATOR_NAMES),,-Wl$(comma)-z$(comma)nodelete))
$(eval $(call sealed_archive,hakmem,$(ALLOCATOR_CORE) $(ALLOCATOR_NAMES)))
