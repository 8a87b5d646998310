/*
 * Where the running kernel keeps what the probes read. hakrec finds the fields by name in the
 * kernel's type information and tells the kernel part before it is loaded: so the build needs no
 * kernel, and attaching need not wait for libbpf, which goes through all types once for each
 * struct. Included by both sides.
 */
#ifndef RECORDER_PLACES_H
#define RECORDER_PLACES_H

#ifndef __bpf__
#include <stdint.h>
#endif

/* X(name, struct, field) */
#define PLACES(X)                                                                                  \
	X(task_pid, task_struct, pid)                                                              \
	X(task_tgid, task_struct, tgid)                                                            \
	X(task_mm, task_struct, mm)                                                                \
	X(task_files, task_struct, files)                                                          \
	X(task_signal, task_struct, signal)                                                        \
	X(task_comm, task_struct, comm)                                                            \
	X(task_thread, task_struct, thread)                                                        \
	X(thread_fsbase, thread_struct, fsbase)                                                    \
	X(signal_live, signal_struct, live)                                                        \
	X(signal_flags, signal_struct, flags)                                                      \
	X(mm_start_stack, mm_struct, start_stack)                                                  \
	X(mm_uprobes_state, mm_struct, uprobes_state)                                              \
	X(uprobes_xol_area, uprobes_state, xol_area)                                               \
	X(xol_vaddr, xol_area, vaddr)                                                              \
	X(files_fdt, files_struct, fdt)                                                            \
	X(fdt_fd, fdtable, fd)                                                                     \
	X(file_inode, file, f_inode)                                                               \
	X(inode_number, inode, i_ino)                                                              \
	X(inode_super, inode, i_sb)                                                                \
	X(super_device, super_block, s_dev)

/* Bytes from the beginning of the struct. */
struct places {
#define PLACES_FIELD(name, type, field) uint32_t name;
	PLACES(PLACES_FIELD)
#undef PLACES_FIELD
};

#ifndef __bpf__
/* Returns 0 or a negative errno; *missing names the field that the kernel lacks (-ENOENT), else
 * NULL. */
int places_find(struct places *places, const char **missing);
#endif

#endif
