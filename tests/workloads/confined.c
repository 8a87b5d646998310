/*
 * confined seccomp|chroot [FOLDER]: gives up what a recorder might lean on, then makes 100,000
 * calls at two sites that were not used before. "seccomp": only the system calls that an allocator,
 * this program and its signals need, death for any other. "chroot": an empty FOLDER as root, and no
 * privileges.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAIRS = 50000 };

#define ALLOW(number)                                                                              \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##number, 0, 1),                                   \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int confine_calls(void)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(write),
		ALLOW(brk),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(madvise),
		ALLOW(futex),
		ALLOW(getrandom),
		ALLOW(rt_sigprocmask),
		ALLOW(rt_sigreturn),
		ALLOW(getpid),
		ALLOW(gettid),
		ALLOW(exit),
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int confine_files(const char *folder)
{
	return chroot(folder) || chdir("/") || setgid(65534) || setuid(65534);
}

int main(int argc, char **argv)
{
	static const char done[] = "pairs 50000\n";
	int failed, i;

	if (argc < 2)
		return 2;
	failed = strcmp(argv[1], "seccomp") ? confine_files(argc > 2 ? argv[2] : "/")
					    : confine_calls();
	if (failed)
		return errno == EPERM ? 77 : 1;
	for (i = 0; i < PAIRS; i++) {
		void *volatile block = malloc(i % 2 ? 91 : 200000);

		free(block);
	}
	return write(1, done, sizeof(done) - 1) == sizeof(done) - 1 ? 0 : 1;
}
