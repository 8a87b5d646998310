// A new handler that makes many calls and forks, within the operator new that called it: parent and
// child both go on with that. Prints how the child ended. Waits now and then, so that hakrec
// may come to the end of a recording that is to end soon.
#include <cstdio>
#include <cstdlib>
#include <new>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{

constexpr rlim_t LITTLE = rlim_t{64} << 20;
constexpr std::size_t MUCH = std::size_t{256} << 20;
constexpr int CALLS = 100000;

bool child;

void allow(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	setrlimit(RLIMIT_AS, &limit);
}

rlim_t mapped()
{
	unsigned long pages = 0;
	std::FILE *statm = std::fopen("/proc/self/statm", "r");

	if (!statm || std::fscanf(statm, "%lu", &pages) != 1)
		std::abort();
	std::fclose(statm);
	return rlim_t{pages} * 4096;
}

void make_room()
{
	for (int turn = 0; turn < 3; turn++) {
		for (int i = 0; i < CALLS; i++)
			std::free(std::malloc(16));
		usleep(50000);
	}
	std::free(std::malloc(16));
	allow(RLIM_INFINITY);
	pid_t pid = fork();

	if (!pid) {
		child = true;
		return;
	}
	int status = -1;

	waitpid(pid, &status, 0);
	std::printf("child's status %d\n", status);
}

} // namespace

int main()
{
	std::set_new_handler(make_room);
	allow(mapped() + LITTLE);
	::operator delete(::operator new(MUCH));
	if (child)
		_exit(0);
	std::puts("end");
	return 0;
}
