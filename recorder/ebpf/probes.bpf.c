/*
 * The kernel part: probes at the allocator's functions, and what has to be known of threads,
 * processes and mappings to follow a program. Everything goes through one ring buffer, whose order
 * is the order of the trace.
 */
#include "allocation.bpf.h"

#define SYS_MMAP          9
#define PROT_EXEC         4
#define MAP_ANON          0x20
#define SIGNAL_GROUP_EXIT 4

/* Entry and return in one: a kernel that has session links. */
SEC("uprobe")
int call_session(struct probe_registers *regs)
{
	if (regs->ip == bpf_get_func_ip(regs))
		return !enter(regs);
	leave(regs);
	return 0;
}

SEC("uprobe")
int call_entry(struct probe_registers *regs)
{
	enter(regs);
	return 0;
}

SEC("uprobe")
int call_return(struct probe_registers *regs)
{
	leave(regs);
	return 0;
}

/* ---- threads and processes ---- */

static __always_inline void thread_born(struct task_struct *parent, struct task_struct *child,
					struct thread *t, uint32_t pid)
{
	struct probe_registers *theirs = (struct probe_registers *)bpf_task_pt_regs(child);
	struct probe_registers *ours = (struct probe_registers *)bpf_task_pt_regs(parent);
	struct thread *mine = bpf_task_storage_get(&threads, parent, NULL, 0);
	bool thread = pid == current_pid();
	bool shared = !thread && kernel_word((uint64_t)child, places.task_mm) ==
					 kernel_word((uint64_t)parent, places.task_mm);

	t->stack_begin = theirs->sp;
	if (theirs->sp == ours->sp)
		t->stack_begin = mine ? mine->stack_begin : 0;
	thread_tell(child, thread ? RING_THREAD : RING_FORK, current_tid(),
		    shared ? RING_SHARED : 0, t->stack_begin);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	uint32_t pid = current_pid();
	uint32_t child_pid = kernel_half((uint64_t)child, places.task_tgid);
	struct thread *t;

	if (closing || !bpf_map_lookup_elem(&followed, &pid))
		return 0;
	if (child_pid != pid) {
		if (!follow)
			return 0;
		bpf_map_update_elem(&followed, &child_pid, &child_pid, BPF_ANY);
	}
	t = bpf_task_storage_get(&threads, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t)
		thread_born(parent, child, t, child_pid);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	uint32_t tid = current_tid(), pid = current_pid();
	uint64_t signal = kernel_word((uint64_t)task, places.task_signal);
	bool last = kernel_half(signal, places.signal_live) == 0;
	struct thread *t;
	struct ring_exit *m;

	if (!bpf_map_lookup_elem(&followed, &pid))
		return 0;
	t = bpf_task_storage_get(&threads, task, NULL, 0);
	if (last)
		bpf_map_delete_elem(&followed, &pid);
	if (!t && !last)
		return 0;
	m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);
	if (!m)
		return 0;
	head_fill(&m->head, tid, RING_EXIT);
	m->head.flags =
		(last ? RING_LAST : 0) |
		(kernel_half(signal, places.signal_flags) & SIGNAL_GROUP_EXIT ? RING_GROUP : 0);
	m->pid = pid;
	m->lost = 0;
	if (t && t->lost) {
		m->lost = t->lost;
		bpf_map_delete_elem(&lost, &tid);
	}
	bpf_get_current_comm(m->name, sizeof(m->name));
	bpf_ringbuf_submit(m, last ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}

/* A new image waits, stopped before its first instruction, until hakrec has looked at it. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid)
{
	uint32_t pid = current_pid();
	uint64_t stack_begin;
	struct ring_exec *m;
	struct thread *t;

	if (closing || !bpf_map_lookup_elem(&followed, &pid))
		return 0;
	t = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);
	stack_begin = task_stack_begin(task);
	if (t) {
		t->depth = t->barrier = 0;
		t->in_outer = t->in_delete = t->outer_failed = t->waiting.on = false;
		t->stack_begin = stack_begin;
	}
	if (!m)
		return 0;
	head_fill(&m->head, current_tid(), RING_EXEC);
	m->head.flags = RING_STOPPED;
	m->pid = pid;
	m->old_tid = (uint32_t)old_pid;
	m->stack_begin = stack_begin;
	bpf_get_current_comm(m->name, sizeof(m->name));
	/* In this order: hakrec's SIGCONT must not come first. */
	bpf_send_signal(SIGSTOP);
	bpf_ringbuf_submit(m, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* A signal handler begins: what it calls is not part of the call that it interrupts. */
SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal)
{
	struct thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL, 0);

	if (t)
		t->barrier = t->depth;
	return 0;
}

/* The kernel's own of a file that this process has open. */
static __always_inline uint64_t inode_of(uint64_t fd)
{
	uint64_t files = kernel_word((uint64_t)bpf_get_current_task_btf(), places.task_files);
	uint64_t table = kernel_word(kernel_word(files, places.files_fdt), places.fdt_fd);
	uint64_t file = kernel_word(table + fd * sizeof(uint64_t), 0);

	return kernel_word(file, places.file_inode);
}

/* Code was mapped. When hakrec does not know its file yet, the process waits until it does. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_mmap, struct probe_registers *regs, long result)
{
	uint32_t pid = current_pid();
	struct ring_file id = {};
	uint64_t inode;
	struct ring_map *m;
	bool unknown;

	if (regs->orig_ax != SYS_MMAP || !(regs->dx & PROT_EXEC) || (regs->r10 & MAP_ANON))
		return 0;
	if (result < 0 || closing || !bpf_map_lookup_elem(&followed, &pid))
		return 0;
	inode = inode_of(regs->r8);
	id.inode = kernel_word(inode, places.inode_number);
	id.device = kernel_half(kernel_word(inode, places.inode_super), places.super_device);
	unknown = !bpf_map_lookup_elem(&files, &id);
	m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);
	if (!m)
		return 0;
	head_fill(&m->head, current_tid(), RING_MAP);
	m->head.flags = unknown ? RING_STOPPED : 0;
	m->pid = pid;
	m->device = (uint32_t)id.device;
	m->inode = id.inode;
	m->begin = (uint64_t)result;
	m->end = m->begin + ((regs->si + 4095) & ~4095ull);
	m->offset = regs->r9;
	if (unknown)
		bpf_send_signal(SIGSTOP);
	bpf_ringbuf_submit(m, unknown ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
