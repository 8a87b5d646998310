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
	struct pt_regs *theirs = (struct pt_regs *)bpf_task_pt_regs(child);
	struct pt_regs *ours = (struct pt_regs *)bpf_task_pt_regs(parent);
	struct thread *mine = bpf_task_storage_get(&threads, parent, NULL, 0);

	t->tid = (uint32_t)child->pid;
	t->parent = (uint32_t)parent->pid;
	t->forked = pid != (uint32_t)parent->tgid;
	t->shared = t->forked && BPF_CORE_READ(child, mm) == BPF_CORE_READ(parent, mm);
	t->stack_begin = theirs->sp;
	if (theirs->sp == ours->sp)
		t->stack_begin = mine ? mine->stack_begin : 0;
	thread_tell(child, t);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	uint32_t pid = (uint32_t)parent->tgid, child_pid = (uint32_t)child->tgid;
	struct thread *t;

	if (closing || !bpf_map_lookup_elem(&followed, &pid))
		return 0;
	if (child_pid != pid) {
		if (!follow)
			return 0;
		/* Of one that had this number before, and of which hakrec never heard. */
		bpf_map_delete_elem(&buried, &child_pid);
		if (bpf_map_update_elem(&followed, &child_pid, &child_pid, BPF_ANY)) {
			__sync_fetch_and_add(&unfollowed, 1);
			return 0;
		}
	}
	t = bpf_task_storage_get(&threads, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t)
		thread_born(parent, child, t, child_pid);
	return 0;
}

/* There is no room to tell of a thread's end: what it dropped is kept for its process. */
static __noinline void thread_bury(uint32_t pid, uint32_t count)
{
	uint32_t none = 0, *sum;

	bpf_map_update_elem(&buried, &pid, &none, BPF_NOEXIST);
	sum = bpf_map_lookup_elem(&buried, &pid);
	if (sum)
		__sync_fetch_and_add(sum, count);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	uint32_t tid = (uint32_t)task->pid, pid = (uint32_t)task->tgid;
	bool last = BPF_CORE_READ(task, signal, live.counter) == 0;
	uint32_t dropped;
	struct thread *t;
	struct ring_exit *m;

	if (!bpf_map_lookup_elem(&followed, &pid))
		return 0;
	t = bpf_task_storage_get(&threads, task, NULL, 0);
	if (last)
		bpf_map_delete_elem(&followed, &pid);
	if (!t && !last)
		return 0;
	dropped = t ? t->lost : 0;
	if (dropped)
		bpf_map_delete_elem(&lost, &tid);
	m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);
	if (!m) {
		if (dropped)
			thread_bury(pid, dropped);
		return 0;
	}
	head_fill(&m->head, tid, RING_EXIT);
	m->head.flags = (last ? RING_LAST : 0) |
			(BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT ? RING_GROUP : 0);
	m->pid = pid;
	m->lost = dropped;
	bpf_probe_read_kernel(m->name, sizeof(m->name), &task->comm);
	bpf_ringbuf_submit(m, last ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}

/* A new image, before its first instruction. Its thread has the process's number now. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid)
{
	uint32_t pid = (uint32_t)task->tgid;
	struct thread *t;

	if (closing || !bpf_map_lookup_elem(&followed, &pid))
		return 0;
	t = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return 0;
	if (t->lost)
		bpf_map_delete_elem(&lost, &t->tid);
	t->tid = pid;
	t->former = (uint32_t)old_pid;
	t->told = false;
	t->depth = t->barrier = 0;
	t->in_outer = t->in_delete = t->outer_failed = t->waiting.on = false;
	t->stack_begin = BPF_CORE_READ(task, mm, start_stack);
	image_tell(task, t);
	if (t->lost)
		bpf_map_update_elem(&lost, &t->tid, &t->lost, BPF_ANY);
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

static __always_inline struct inode *inode_of(uint64_t fd)
{
	struct file **table = BPF_CORE_READ(bpf_get_current_task_btf(), files, fdt, fd);
	struct file *file = NULL;

	bpf_probe_read_kernel(&file, sizeof(file), table + fd);
	return BPF_CORE_READ(file, f_inode);
}

/* Code was mapped. When hakrec does not know its file yet, the process waits until it does. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_mmap, struct pt_regs *regs, long result)
{
	struct ring_file id = {};
	struct inode *inode;
	struct ring_map *m;
	bool unknown;
	uint32_t pid;

	if (regs->orig_ax != SYS_MMAP || !(regs->dx & PROT_EXEC) || (regs->r10 & MAP_ANON))
		return 0;
	pid = current_pid();
	if (result < 0 || closing || !bpf_map_lookup_elem(&followed, &pid))
		return 0;
	inode = inode_of(regs->r8);
	id.inode = BPF_CORE_READ(inode, i_ino);
	id.device = BPF_CORE_READ(inode, i_sb, s_dev);
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
